/* SPDX-License-Identifier: MIT
 *
 * report_style - the style sheet of the pages that page.c begins
 *
 * Every colour is a variable with a light and a dark value; lines differ in hue and in lightness,
 * so that they are told apart without seeing hues. */
#ifndef LOAD_REPORT_STYLE_H
#define LOAD_REPORT_STYLE_H

/* In two: a string of C may have 4095 characters. */
static const char report_style[] =
    ":root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b2129;--soft:#5c6875;"
    "--rule:#dfe4ea;--good:#14783c;--good-bg:#ddf3e4;--bad:#b3261e;--bad-bg:#fbe3e1;--warn:#8a5a00;"
    "--warn-bg:#fdf0d2;--line-0:#1d5fd0;--line-1:#d9730d;--line-2:#128a7a;--line-3:#8a3fc7}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#12161b;--card:#1a2027;--ink:#e6eaef;"
    "--soft:#96a3b1;--rule:#2d3640;--good:#6fd596;--good-bg:#173525;--bad:#ff9b93;--bad-bg:#43201e;"
    "--warn:#f2c462;--warn-bg:#3b2f14;--line-0:#6ea5ff;--line-1:#ffab5c;--line-2:#4fd1bf;"
    "--line-3:#c99bff}}\n"
    "*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);"
    "font:15px/1.5 system-ui,sans-serif;font-variant-numeric:tabular-nums}\n"
    "main{max-width:1120px;margin:0 auto;padding:20px 16px 48px}"
    "header p{margin:4px 0;color:var(--soft)}h1{font-size:1.5rem;line-height:1.25;margin:2px 0 8px;"
    "overflow-wrap:anywhere}h2{font-size:1.05rem;margin:0 0 10px}\n"
    ".badge{display:inline-block;border-radius:6px;padding:2px 10px;margin-right:8px;"
    "font-weight:650}.good{color:var(--good);background:var(--good-bg)}"
    ".bad{color:var(--bad);background:var(--bad-bg)}"
    ".warn{color:var(--warn);background:var(--warn-bg)}\n"
    ".tiles,.cards{display:grid;gap:14px;margin-top:16px;"
    "grid-template-columns:repeat(auto-fit,minmax(min(100%,132px),1fr))}"
    ".cards{grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr))}"
    ".tile,section{background:var(--card);border:1px solid var(--rule);border-radius:10px}"
    ".tile{padding:10px 14px}.tile b{display:block;font-size:1.3rem;line-height:1.3;"
    "white-space:nowrap}.tile span{color:var(--soft);font-size:.85rem}"
    "section{padding:16px;min-width:0;overflow-x:auto}.wide{grid-column:1/-1}\n"
    "table{border-collapse:collapse;width:100%}th,td{padding:4px 10px 4px 0;text-align:left;"
    "border-bottom:1px solid var(--rule);vertical-align:top}th{font-weight:600;"
    "color:var(--soft)}tr:last-child td,tr:last-child th{border-bottom:0}"
    ".n{text-align:right;white-space:nowrap}td.no{color:var(--bad);font-weight:650}"
    "td.yes{color:var(--good)}\n"
    "figure{margin:0}.wide figure{max-width:680px}figcaption{font-weight:650;margin-bottom:6px}"
    ".key{font-weight:400;margin-left:12px;white-space:nowrap}"
    ".key::before{content:'';display:inline-block;width:16px;margin-right:5px;"
    "vertical-align:middle;border-top:3px solid}.key.dashed::before{border-top-style:dashed}"
    "svg{display:block;width:100%;height:auto}\n"
    ".grid{stroke:var(--rule);fill:none}.tick{fill:var(--soft);font-size:12px}"
    ".line{fill:none;stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}"
    "path.dashed{stroke-dasharray:5 5}.mark{opacity:0}.mark:hover{opacity:.8}"
    ".line-0{stroke:var(--line-0)}.line-1{stroke:var(--line-1)}.line-2{stroke:var(--line-2)}"
    ".line-3{stroke:var(--line-3)}.key.line-0::before{border-color:var(--line-0)}"
    ".key.line-1::before{border-color:var(--line-1)}.key.line-2::before{border-color:var(--line-2)}"
    ".key.line-3::before{border-color:var(--line-3)}circle.line-0{fill:var(--line-0)}"
    "circle.line-1{fill:var(--line-1)}circle.line-2{fill:var(--line-2)}"
    "circle.line-3{fill:var(--line-3)}\n";

static const char report_style_marks[] =
    "circle.ring{fill:none;stroke-width:2}.cross{fill:none;stroke-width:2.4}"
    ".span{fill:var(--line-0);opacity:.13}.limit{stroke:var(--bad);stroke-width:1.6;"
    "stroke-dasharray:7 4}.sign{font-weight:400;margin-left:12px;white-space:nowrap}"
    ".sign i{font-style:normal}i.line-0{color:var(--line-0)}i.line-1{color:var(--line-1)}"
    "i.line-2{color:var(--line-2)}\n"
    ".same{fill:var(--soft);opacity:.16}.floor{stroke:var(--soft);stroke-width:1.4;"
    "stroke-dasharray:3 4}.zero{stroke:var(--ink);stroke-width:1.4}"
    ".dot{fill:var(--line-0);opacity:.55}.dot.beyond{fill:none;stroke:var(--line-0)}"
    ".range{stroke-width:5;stroke-linecap:butt}.range.good,.hit.good{stroke:var(--good)}"
    ".range.bad,.hit.bad{stroke:var(--bad)}.range.warn,.hit.warn{stroke:var(--warn)}"
    ".hit{stroke-width:2;fill:var(--card)}.column.good{fill:var(--line-2)}"
    ".column.warn{fill:var(--soft)}.column.bad{fill:var(--bad)}"
    "i.of-good{color:var(--line-2)}i.of-warn{color:var(--soft)}i.of-bad{color:var(--bad)}\n"
    ".bar{display:flex;height:12px;border-radius:6px;overflow:hidden;background:var(--rule);"
    "margin-bottom:10px}.bar i{background:var(--line-2)}.bar i.b{background:var(--bad)}"
    "pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,monospace}"
    "code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}.note{color:var(--soft)}\n"
    "@media(max-width:520px){.tick{font-size:17px}}\n"
    "@media print{body{background:none}section,.tile{break-inside:avoid}}\n";

#endif
