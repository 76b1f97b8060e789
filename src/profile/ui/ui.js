// SPDX-License-Identifier: MIT
//
// ui - a profile as a flame graph and a table, in the browser
//
//   fetch -> gunzip -> decode (profile.proto) -> tree of calls -> boxes; and a table of functions
//
// Nothing is loaded but the profile, and it is fetched as go tool pprof fetches it.
'use strict';

const KINDS = ['profile', 'heap', 'allocs', 'goroutine', 'threadcreate', 'mutex', 'block'];
const ROW_HEIGHT = 18;
const SMALLEST = 0.0008; // of the width; narrower boxes are not drawn
const TABLE_ROWS = 200;

const at = (id) => document.getElementById(id);

// --- profile.proto ---

// Calls fields[number](value) for each field: a number, or the bytes of one.
function readMessage(bytes, fields) {
  let position = 0;

  function readNumber() {
    let low = 0;
    let high = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[position++];
      if (byte === undefined) throw new Error('the profile is cut off');
      if (shift < 28) low += (byte & 0x7f) * 2 ** shift;
      else high += (byte & 0x7f) * 2 ** (shift - 28);
      if (byte < 0x80) break;
    }
    // Negative ones have all 64 bits: the sum of both parts would be rounded, so the sign is taken
    // off the upper 36 before.
    return (high >= 2 ** 35 ? high - 2 ** 36 : high) * 2 ** 28 + low;
  }

  while (position < bytes.length) {
    const key = readNumber();
    let value;
    if ((key & 7) === 0) {
      value = readNumber();
    } else if ((key & 7) === 2) {
      const size = readNumber();
      value = bytes.subarray(position, position + size);
      position += size;
    } else {
      throw new Error('this is no profile');
    }
    if (fields[key >> 3]) fields[key >> 3](value);
  }
}

function readNumbers(bytes) {
  const numbers = [];
  // Packed numbers are the fields of a message without their keys.
  let start = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] >= 0x80) continue;
    const one = new Uint8Array(i - start + 2);
    one[0] = 1 << 3;
    one.set(bytes.subarray(start, i + 1), 1);
    readMessage(one, {1: (value) => numbers.push(value)});
    start = i + 1;
  }
  return numbers;
}

function readPair(bytes) {
  const pair = [0, 0];
  readMessage(bytes, {1: (value) => { pair[0] = value; }, 2: (value) => { pair[1] = value; }});
  return pair;
}

function readSample(bytes) {
  const sample = {locations: [], values: [], labels: []};
  readMessage(bytes, {
    1: (value) => sample.locations.push(...readNumbers(value)),
    2: (value) => sample.values.push(...readNumbers(value)),
    3: (value) => sample.labels.push(readPair(value)),
  });
  return sample;
}

function readLocation(bytes) {
  const location = {id: 0, mapping: 0, address: 0, lines: []};
  readMessage(bytes, {
    1: (value) => { location.id = value; },
    2: (value) => { location.mapping = value; },
    3: (value) => { location.address = value; },
    4: (value) => location.lines.push(readPair(value)),
  });
  return location;
}

function readFunction(bytes) {
  const found = {id: 0, name: 0, file: 0};
  readMessage(bytes, {
    1: (value) => { found.id = value; },
    2: (value) => { found.name = value; },
    4: (value) => { found.file = value; },
  });
  return found;
}

function decode(bytes) {
  const raw = {types: [], samples: [], locations: [], functions: [], strings: [], comments: [],
    time: 0, duration: 0, first: 0};
  const text = new TextDecoder();

  readMessage(bytes, {
    1: (value) => raw.types.push(readPair(value)),
    2: (value) => raw.samples.push(readSample(value)),
    4: (value) => raw.locations.push(readLocation(value)),
    5: (value) => raw.functions.push(readFunction(value)),
    6: (value) => raw.strings.push(text.decode(value)),
    9: (value) => { raw.time = value; },
    10: (value) => { raw.duration = value; },
    13: (value) => raw.comments.push(value),
    14: (value) => { raw.first = value; },
  });
  return resolve(raw);
}

// Numbers become what they stand for.
function resolve(raw) {
  const functions = new Map(raw.functions.map((one) => [one.id, one]));
  const frames = new Map();

  for (const location of raw.locations) {
    const lines = location.lines.map(([id, line], index) => {
      const named = functions.get(id);
      return {name: raw.strings[named.name], file: raw.strings[named.file], line,
        kind: location.mapping !== 1 ? 'foreign'
          : index < location.lines.length - 1 ? 'inline' : 'own'};
    });
    if (lines.length === 0)
      lines.push({name: `0x${location.address.toString(16)}`, file: '', line: 0, kind: 'own'});
    frames.set(location.id, lines);
  }
  return {
    types: raw.types.map(([name, unit]) => ({name: raw.strings[name], unit: raw.strings[unit]})),
    samples: raw.samples.map((sample) => ({
      values: sample.values,
      thread: sample.labels.map(([, value]) => raw.strings[value])[0] || '',
      frames: sample.locations.flatMap((id) => frames.get(id)), // leaf first
    })),
    comments: raw.comments.map((number) => raw.strings[number]),
    first: raw.strings[raw.first],
    time: raw.time,
    duration: raw.duration,
  };
}

async function fetchProfile(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status}: ${(await response.text()).trim()}`);
  const packed = await response.blob();
  at('raw').href = URL.createObjectURL(packed); // the very profile that is shown
  at('raw').hidden = false;
  const stream = packed.stream().pipeThrough(new DecompressionStream('gzip'));
  return decode(new Uint8Array(await new Response(stream).arrayBuffer()));
}

// --- the tree ---

// In a difference some values are negative. What has come and what has gone may cancel out in
// `value`; `weight`, the sum without the signs, is what boxes and percentages are made by.
function makeNode(frame, parent) {
  return {frame, parent, value: 0, weight: 0, own: 0, children: new Map()};
}

function addValue(node, value) {
  node.value += value;
  node.weight += Math.abs(value);
}

function makeTree(profile, options) {
  const root = makeNode({name: 'all', file: '', line: 0, kind: 'own'}, null);

  for (const sample of profile.samples) {
    const value = sample.values[options.type];
    if (value === 0) continue;
    const frames = options.inverted ? [...sample.frames] : [...sample.frames].reverse();
    if (options.threads && sample.thread)
      frames.unshift({name: sample.thread, file: '', line: 0, kind: 'foreign'});
    let node = root;
    addValue(node, value);
    for (const frame of frames) {
      const key = `${frame.kind} ${frame.name} ${frame.file}`;
      if (!node.children.has(key)) node.children.set(key, makeNode(frame, node));
      node = node.children.get(key);
      addValue(node, value);
    }
    node.own += value;
  }
  return root;
}

// --- numbers ---

function scaled(value, steps) {
  for (const [size, name] of steps) {
    if (Math.abs(value) >= size) return `${(value / size).toPrecision(3)} ${name}`;
  }
  return `${value}`;
}

function format(value, unit) {
  if (unit === 'nanoseconds')
    return scaled(value, [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs'], [1, 'ns']]);
  if (unit === 'bytes')
    return scaled(value, [[2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB'], [1, 'B']]);
  return value.toLocaleString('en');
}

function percent(value, total) {
  return total === 0 ? '0 %' : `${(value / total * 100).toFixed(1)} %`;
}

// --- what is on the screen ---

const state = {profile: null, tree: null, focus: null, sort: 'flat', boxes: []};

function options() {
  return {type: Number(at('type').value), inverted: at('inverted').checked,
    threads: at('threads').checked};
}

function unit() {
  return state.profile.types[options().type].unit;
}

function matcher() {
  const wanted = at('search').value.toLowerCase();
  return wanted ? (name) => name.toLowerCase().includes(wanted) : () => false;
}

function describe(node) {
  const {frame} = node;
  const where = frame.file ? `  ${frame.file}:${frame.line}` : '';
  return `${frame.name}  ${format(node.value, unit())}, ` +
    `${percent(node.value, state.tree.weight)}${where}`;
}

function addBox(node, depth, left, width, isAbove) {
  const box = document.createElement('div');

  box.className = node.frame.kind + (isAbove ? ' above' : '');
  box.textContent = node.frame.name;
  box.title = describe(node);
  box.tabIndex = 0;
  box.setAttribute('role', 'button');
  box.style.left = `${left * 100}%`;
  box.style.width = `${width * 100}%`;
  box.style.top = `${depth * ROW_HEIGHT}px`;
  box.addEventListener('click', () => zoom(node));
  box.addEventListener('keydown', (event) => { if (event.key === 'Enter') zoom(node); });
  box.addEventListener('mouseenter', () => { at('hover').textContent = describe(node); });
  state.boxes.push({box, node});
  at('flames').append(box);
}

// Draws @node and what it calls; returns how many rows there are.
function drawBelow(node, depth, left, width) {
  let rows = depth + 1;

  addBox(node, depth, left, width, false);
  const children = [...node.children.values()].sort((a, b) => b.value - a.value);
  for (const child of children) {
    const share = child.weight / node.weight * width;
    if (share >= SMALLEST) rows = Math.max(rows, drawBelow(child, depth + 1, left, share));
    left += share;
  }
  return rows;
}

function draw() {
  const above = [];

  at('flames').replaceChildren();
  state.boxes = [];
  for (let node = state.focus.parent; node; node = node.parent) above.unshift(node);
  above.forEach((node, depth) => addBox(node, depth, 0, 1, true));
  const rows = drawBelow(state.focus, above.length, 0, 1);
  at('flames').style.height = `${rows * ROW_HEIGHT}px`;
  at('reset').hidden = state.focus === state.tree;
  mark();
}

function zoom(node) {
  state.focus = node;
  draw();
}

// What the sought functions and all that they call took: nested ones count once.
function sumFound(node, isFound) {
  if (node !== state.tree && isFound(node.frame.name)) return node.value;
  return [...node.children.values()].reduce((sum, child) => sum + sumFound(child, isFound), 0);
}

function mark() {
  const isFound = matcher();

  for (const {box, node} of state.boxes) box.classList.toggle('found', isFound(node.frame.name));
  for (const row of at('top').tBodies[0].rows)
    row.classList.toggle('found', isFound(row.dataset.name));
  const found = at('search').value ? sumFound(state.tree, isFound) : 0;
  at('found').textContent = at('search').value
    ? `${format(found, unit())}, ${percent(found, state.tree.weight)}` : '';
}

// --- the table ---

function countFunctions(type) {
  const rows = new Map();

  for (const {frames, values} of state.profile.samples) {
    const value = values[type];
    const seen = new Set();
    frames.forEach((frame, index) => {
      if (!rows.has(frame.name)) rows.set(frame.name, {frame, flat: 0, sum: 0});
      const row = rows.get(frame.name);
      if (index === 0) row.flat += value;
      if (!seen.has(frame.name)) row.sum += value; // recursion counts once
      seen.add(frame.name);
    });
  }
  return [...rows.values()].filter((row) => row.flat !== 0 || row.sum !== 0)
    .sort((a, b) => Math.abs(b[state.sort]) - Math.abs(a[state.sort]) ||
      Math.abs(b.sum) - Math.abs(a.sum));
}

function addCell(row, text, isText) {
  const cell = row.insertCell();
  cell.textContent = text;
  if (isText) cell.className = 'text';
}

function drawTable() {
  const total = state.tree.weight;
  const body = at('top').tBodies[0];

  body.replaceChildren();
  for (const {frame, flat, sum} of countFunctions(options().type).slice(0, TABLE_ROWS)) {
    const row = body.insertRow();
    row.dataset.name = frame.name;
    addCell(row, format(flat, unit()));
    addCell(row, percent(flat, total));
    addCell(row, format(sum, unit()));
    addCell(row, percent(sum, total));
    addCell(row, frame.name, true);
    addCell(row, frame.file, true);
    row.addEventListener('click', () => {
      at('search').value = frame.name;
      mark();
    });
  }
  at('top').hidden = false;
}

function redraw() {
  state.tree = makeTree(state.profile, options());
  state.focus = state.tree;
  drawTable();
  draw();
  at('facts').textContent = `${format(state.tree.value, unit())} in all` +
    (state.profile.duration ? ` in ${format(state.profile.duration, 'nanoseconds')}` : '') +
    `, taken ${new Date(state.profile.time / 1e6).toLocaleString()}`;
  at('status').hidden = state.tree.weight !== 0;
  at('status').textContent = 'There is nothing in this profile: no thread was running, ' +
    'or nothing of the kind has happened.';
}

// --- the beginning ---

function profileUrl(query) {
  const url = new URLSearchParams();
  for (const name of ['seconds', 'hz']) {
    if (query.get(name)) url.set(name, query.get(name));
  }
  return query.get('profile') + (url.size ? `?${url}` : '');
}

function fill(select, texts, chosen) {
  select.replaceChildren(...texts.map((text, index) => {
    const option = document.createElement('option');
    option.textContent = text;
    option.value = select.name ? text : index;
    option.selected = text === chosen;
    return option;
  }));
}

function listen() {
  for (const id of ['type', 'inverted', 'threads']) at(id).addEventListener('change', redraw);
  at('search').addEventListener('input', mark);
  at('reset').addEventListener('click', () => zoom(state.tree));
  at('view').addEventListener('submit', (event) => event.preventDefault());
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') zoom(state.tree);
  });
  for (const button of document.querySelectorAll('th button')) {
    button.addEventListener('click', () => {
      state.sort = button.dataset.by;
      drawTable();
      mark();
    });
  }
}

async function begin() {
  const query = new URLSearchParams(location.search);

  if (!KINDS.includes(query.get('profile'))) query.set('profile', 'profile');
  if (query.get('profile') === 'profile' && !query.get('seconds')) query.set('seconds', '5');
  fill(at('kind'), KINDS, query.get('profile'));
  at('seconds').value = query.get('seconds') || '';
  at('raw').download = `${query.get('profile')}.pb.gz`;
  at('title').textContent = document.title = `${query.get('profile')} of ${location.host}`;
  if (query.get('seconds')) at('status').textContent = `taking it: ${query.get('seconds')} s`;
  try {
    state.profile = await fetchProfile(profileUrl(query));
  } catch (error) {
    at('status').textContent = error.message;
    return;
  }
  const {types, first, comments} = state.profile;
  fill(at('type'), types.map((type) => `${type.name} (${type.unit})`));
  at('type').value = Math.max(0, types.findIndex((type) => type.name === first));
  at('notes').textContent = comments.join(' ');
  at('notes').hidden = comments.length === 0;
  redraw();
  listen();
}

begin();
