// SPDX-License-Identifier: MIT
//
// The live page of ackd: asks /api/live once a second and draws what it says.
//
// The server sends counters as they stand (docs/LIVEPAGE.md); rates and percentiles are made here,
// from two samples each. Nothing is kept but the samples of the range that is shown.
'use strict';

(() => {
  const SCHEMA = 1;
  const POLL_MS = 1000;
  const TIMEOUT_MS = 4000;
  const SERIES_MAX = 8; // lines in one chart
  const $ = (id) => document.getElementById(id);

  // --- numbers as text ---

  const whole = new Intl.NumberFormat('en-US', {maximumFractionDigits: 0});
  const steps = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k'], [1, '']];

  function digits(value) {
    return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
  }
  // [number, unit] of a value, short.
  function short(value, unit = '') {
    if (!(Math.abs(value) >= 0.005)) return ['0', unit];
    const [size, prefix] = steps.find(([least]) => Math.abs(value) >= least * 0.9995) || [1, ''];
    const text = size === 1 && Number.isInteger(value) ? String(value) : digits(value / size);
    return [text, prefix + unit];
  }
  // Decimal units: an axis in them has round numbers.
  function bytes(value, unit = '') {
    const [number, prefix] = value < 1000 ? [value.toFixed(0), ''] : short(value);
    return [number, `${prefix}B${unit}`];
  }
  function time(seconds) {
    if (!(seconds > 0)) return ['0', 'µs'];
    if (seconds < 0.9995e-3) return [digits(seconds * 1e6), 'µs'];
    if (seconds < 0.9995) return [digits(seconds * 1e3), 'ms'];
    return [digits(seconds), 's'];
  }
  const formats = {
    count: (value) => short(value),
    rate: (value) => (value < 99.95 ? [value.toFixed(value >= 9.95 || Number.isInteger(value) ? 0 : 1), '/s'] : short(value, '/s')),
    bytes: (value) => bytes(value),
    byteRate: (value) => bytes(value, '/s'),
    time,
    share: (value) => [(value * 100).toFixed(value > 0 && value < 0.0995 ? 1 : 0), '%'],
    cores: (value) => [value === 0 ? '0' : value.toFixed(2), 'cores'],
  };
  const text = ([number, unit]) => (unit && !/^[kMGT]?(\/s)?$/.test(unit) ? `${number} ${unit}` : number + unit);

  function duration(seconds) {
    const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24;
    const minutes = Math.floor(seconds / 60) % 60, rest = Math.floor(seconds) % 60;
    if (days) return `${days} d ${hours} h`;
    if (hours) return `${hours} h ${minutes} min`;
    return minutes ? `${minutes} min ${rest} s` : `${rest} s`;
  }
  const clock = (ms, seconds = true) => new Date(ms).toLocaleTimeString('en-GB', {
    hour: '2-digit', minute: '2-digit', second: seconds ? '2-digit' : undefined});
  const day = (ms) => new Date(ms).toLocaleString('sv-SE'); // 2026-01-31 12:00:00

  // --- the server's samples ---

  const view = {
    range: '1m', rows: [], latest: [], names: [], at: new Map(), started: 0, length: 60,
    conns: null, server: null, now: 0, failed: 0, failedSince: 0, paused: false, order: 'rate',
    sort: 'rate', descending: true,
  };
  const column = (name) => view.at.get(name);

  function rate(name, before, row) {
    const index = column(name);
    const seconds = (row[0] - before[0]) / 1000;
    return index === undefined || !(seconds > 0) ? 0 : Math.max(0, (row[index] - before[index]) / seconds);
  }
  const value = (name, row) => (column(name) === undefined ? 0 : row[column(name)]);
  const matching = (family) => view.names.filter((name) => name.startsWith(`${family}{`));
  const label = (name) => (name.match(/"(.*)"/) || ['', name])[1];

  // As Prometheus's histogram_quantile(): a straight line inside of the bucket.
  function quantile(q, before, row) {
    const buckets = matching('request_duration_seconds_bucket')
      .map((name) => [label(name) === '+Inf' ? Infinity : Number(label(name)), row[column(name)] - before[column(name)]]);
    const total = buckets.length ? buckets[buckets.length - 1][1] : 0;
    if (!(total > 0)) return null;
    const rank = q * total;
    let low = 0, below = 0;
    for (const [bound, count] of buckets) {
      if (count >= rank) return bound === Infinity ? low : low + (bound - low) * (rank - below) / (count - below || 1);
      low = bound;
      below = count;
    }
    return low;
  }

  const rateOf = (name) => (before, row) => rate(name, before, row);
  const gaugeOf = (name) => (before, row) => value(name, row);
  const ratio = (over, under) => (before, row) => {
    const divisor = rate(under, before, row);
    return divisor > 0 ? rate(over, before, row) / divisor : null;
  };

  // One line for each series of these families that has ever counted, the largest first.
  function moved(...families) {
    const last = view.latest[view.latest.length - 1] || [];
    return families.flatMap(matching).filter((name) => value(name, last) > 0)
      .sort((a, b) => value(b, last) - value(a, last)).slice(0, SERIES_MAX)
      .map((name) => [families.length > 1 && !/reason|error/.test(name) ? name : label(name).replaceAll('_', ' '), rateOf(name)]);
  }
  const troubles = ['decode_errors_total', 'accept_errors_total', 'connections_rejected_total'];
  function errors() {
    const last = view.latest[view.latest.length - 1] || [];
    const single = [['failed by handler', 'acks_total{result="error"}'], ['acks dropped', 'acks_dropped_total'], ['handler errors', 'handler_errors_total']]
      .filter(([, name]) => value(name, last) > 0).map(([title, name]) => [title, rateOf(name)]);
    return single.concat(moved(...troubles)).slice(0, SERIES_MAX);
  }
  function errorRate(before, row) {
    return troubles.flatMap(matching).concat(['acks_total{result="error"}', 'acks_dropped_total', 'handler_errors_total'])
      .reduce((sum, name) => sum + rate(name, before, row), 0);
  }
  const workers = () => matching('worker_cpu_seconds_total').slice(0, SERIES_MAX)
    .map((name) => [`worker ${label(name)}`, rateOf(name)]);

  // --- cards ---

  const total = (name) => (row) => `${whole.format(value(name, row))} in all`;
  const cards = [
    {id: 'recv', title: 'SUBMITs', format: 'rate', of: rateOf('req_recv_total'), under: total('req_recv_total')},
    {id: 'send', title: 'Acks', format: 'rate', of: rateOf('rsp_send_total'), under: total('rsp_send_total')},
    {id: 'connected', title: 'Connected', format: 'count', of: gaugeOf('client_connected'),
      under: (row) => `${whole.format(value('connections_accepted_total', row))} accepted`},
    {id: 'p50', title: 'Latency p50', format: 'time', of: (before, row) => quantile(0.5, before, row), under: () => 'half are faster'},
    {id: 'p99', title: 'Latency p99', format: 'time', of: (before, row) => quantile(0.99, before, row), under: () => '1 in 100 is slower'},
    {id: 'errors', title: 'Errors', format: 'rate', of: errorRate, level: (amount) => (amount > 0 ? 'bad' : ''),
      under: () => 'of any kind'},
    {id: 'cpu', title: 'CPU', format: 'cores', of: rateOf('process_cpu_seconds_total'),
      under: (row, before) => `${text(time(rate('process_cpu_seconds_total', before, row) / (rate('rsp_send_total', before, row) || Infinity)))} an ack`},
    {id: 'memory', title: 'Memory', format: 'bytes', of: gaugeOf('process_resident_memory_bytes'), under: () => 'resident'},
  ];

  function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  function makeCards() {
    for (const card of cards) {
      card.number = element('span');
      card.unit = element('small');
      card.below = element('dd', {className: 'under'});
      card.box = element('div', {className: 'card', id: `card-${card.id}`}, element('dt', {textContent: card.title}),
        element('dd', {className: 'value'}, card.number, card.unit), card.below);
      $('cards').append(card.box);
    }
  }

  function drawCards() {
    const [before, row = before] = view.latest; // in its first second a server has one sample
    if (!row) return;
    for (const card of cards) {
      const amount = card.of(before, row);
      const [number, unit] = amount === null ? ['–', ''] : formats[card.format](amount);
      card.number.textContent = number;
      card.unit.textContent = unit;
      card.below.textContent = card.under(row, before);
      card.box.dataset.level = card.level ? card.level(amount) : '';
    }
  }

  // --- charts ---

  const charts = [
    {title: 'SUBMITs received', panel: 'req_recv_rate', format: 'rate', fill: true, lines: () => [['now', rateOf('req_recv_total')]]},
    {title: 'Acks sent', panel: 'rsp_send_rate', format: 'rate', fill: true, lines: () => [['now', rateOf('rsp_send_total')]]},
    {title: 'Connections', panel: 'client_connected', format: 'count', fill: true, lines: () => [['open', gaugeOf('client_connected')]]},
    {title: 'Latency', format: 'time',
      lines: () => [['p50', (before, row) => quantile(0.5, before, row)], ['p99', (before, row) => quantile(0.99, before, row)]]},
    {title: 'Bytes', format: 'byteRate', fill: true,
      lines: () => [['in', rateOf('network_receive_bytes_total')], ['out', rateOf('network_transmit_bytes_total')]]},
    {title: 'Worker balance', format: 'share', max: 1, lines: workers},
    {title: 'Connections accepted and closed', format: 'rate',
      lines: () => [['accepted', rateOf('connections_accepted_total')]].concat(moved('connections_closed_total').slice(0, SERIES_MAX - 1))},
    {title: 'Errors by reason', format: 'rate', none: 'no error since the server started', lines: errors},
    {title: 'Waiting', format: 'bytes', fill: true,
      lines: () => [['acks queued', gaugeOf('write_queue_bytes')], ['deferred', gaugeOf('deferred_bytes')]]},
    {title: 'CPU', format: 'cores', fill: true, lines: () => [['used', rateOf('process_cpu_seconds_total')]]},
    {title: 'Memory', format: 'bytes', fill: true, lines: () => [['resident', gaugeOf('process_resident_memory_bytes')]]},
    {title: 'File descriptors', format: 'count', fill: true, lines: () => [['open', gaugeOf('process_open_fds')]]},
  ];

  const colours = {};
  function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ['text', 'quiet', 'grid', 'card', 'line', ...Array.from({length: SERIES_MAX}, (_, i) => `s${i}`)]) {
      colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
  }
  const faint = (colour) => `${colour}1f`;

  // What an axis shows at least, so that nothing at all does not look like much.
  const least = {count: 10, rate: 10, bytes: 1000, byteRate: 1000, time: 1e-4, cores: 0.2};

  function chartOptions(chart) {
    const say = formats[chart.format];
    return {
      animation: false, responsive: true, maintainAspectRatio: false, parsing: false, normalized: true,
      interaction: {mode: 'index', intersect: false},
      elements: {point: {radius: 0, hoverRadius: 3, hitRadius: 8}, line: {borderWidth: 1.75, borderJoinStyle: 'round'}},
      scales: {
        x: {type: 'linear', grid: {display: false},
          ticks: {maxTicksLimit: 5, maxRotation: 0, includeBounds: false, callback: (ms) => clock(ms, view.length <= 60)}},
        y: {beginAtZero: true, max: chart.max, suggestedMax: least[chart.format], grace: chart.max ? 0 : '5%', grid: {drawTicks: false},
          ticks: {maxTicksLimit: 5, padding: 6, callback: (amount) => text(say(amount))}},
      },
      plugins: {
        legend: {display: false},
        tooltip: {displayColors: true, boxWidth: 8, boxHeight: 8, callbacks: {
          title: (items) => (items.length ? clock(items[0].parsed.x) : ''),
          label: (item) => ` ${item.dataset.label}  ${text(say(item.parsed.y))}`}},
      },
    };
  }

  function paint(chart) {
    const {scales, plugins} = chart.drawing.options;
    for (const axis of [scales.x, scales.y]) {
      axis.ticks.color = colours.quiet;
      axis.ticks.font = {size: 11};
      axis.grid.color = colours.grid;
      axis.grid.borderColor = colours.line;
    }
    Object.assign(plugins.tooltip, {backgroundColor: colours.card, titleColor: colours.quiet, bodyColor: colours.text,
      borderColor: colours.line, borderWidth: 1, padding: 9});
    chart.drawing.data.datasets.forEach((set, i) => {
      const colour = colours[`s${i}`];
      Object.assign(set, {borderColor: colour, pointBackgroundColor: colour, pointHoverBackgroundColor: colour,
        fill: chart.fill ? 'origin' : false, backgroundColor: chart.fill ? faint(colour) : colour});
    });
  }

  // Left, right, Home and End read the values of a chart.
  function onChartKey(chart, event) {
    const points = view.rows.length - 1;
    const move = {ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity}[event.key];
    if (!move || points < 1) return;
    event.preventDefault();
    const from = chart.cursor === undefined ? points : chart.cursor;
    chart.cursor = Math.max(0, Math.min(points - 1, from + move));
    showCursor(chart);
    const said = chart.drawing.data.datasets.map((set) => {
      const amount = set.data[chart.cursor].y;
      return `${set.label} ${amount === null ? 'none' : text(formats[chart.format](amount))}`;
    });
    $('reading').textContent = `${chart.title}, ${clock(view.rows[chart.cursor + 1][0])}: ${said.join(', ')}`;
  }
  function showCursor(chart) {
    const active = chart.cursor === undefined ? [] : chart.drawing.data.datasets
      .map((set, datasetIndex) => ({datasetIndex, index: chart.cursor}))
      .filter(({datasetIndex, index}) => chart.drawing.data.datasets[datasetIndex].data[index]);
    chart.drawing.setActiveElements(active);
    chart.drawing.tooltip.setActiveElements(active, {x: 0, y: 0});
    chart.drawing.update('none');
  }

  function makeCharts() {
    for (const chart of charts) {
      chart.canvas = element('canvas', {tabIndex: 0});
      chart.canvas.setAttribute('role', 'img');
      chart.legend = element('ul', {className: 'legend'});
      chart.empty = element('p', {className: 'none', textContent: chart.none || 'nothing yet', hidden: true});
      $('charts').append(element('figure', {},
        element('figcaption', {}, element('h3', {}, chart.title, element('small', {textContent: chart.panel || ''})), chart.legend),
        element('div', {className: 'plot'}, chart.canvas, chart.empty)));
      chart.drawing = new window.Chart(chart.canvas, {type: 'line', data: {datasets: []}, options: chartOptions(chart)});
      chart.canvas.addEventListener('keydown', (event) => onChartKey(chart, event));
      chart.canvas.addEventListener('blur', () => { chart.cursor = undefined; showCursor(chart); });
      paint(chart);
    }
  }

  function drawLegend(chart, lines, last) {
    const items = lines.map(([name], i) => {
      const amount = last[i];
      return element('li', {}, element('i', {className: `s${i}`}), `${name} `,
        element('b', {textContent: amount === null || amount === undefined ? '–' : text(formats[chart.format](amount))}));
    });
    chart.legend.replaceChildren(...items);
    const said = lines.map(([name], i) => `${name} ${last[i] === null || last[i] === undefined ? 'none' : text(formats[chart.format](last[i]))}`);
    chart.canvas.setAttribute('aria-label', `${chart.title}: ${said.join(', ') || chart.none || 'nothing yet'}`);
  }

  function drawChart(chart) {
    const lines = chart.lines();
    const sets = chart.drawing.data.datasets;
    const isNew = sets.length !== lines.length || lines.some(([name], i) => sets[i].label !== name);
    if (isNew) chart.drawing.data.datasets = lines.map(([name]) => ({label: name, data: [], spanGaps: false}));
    lines.forEach(([, of], i) => {
      chart.drawing.data.datasets[i].data = view.rows.slice(1).map((row, at) => ({x: row[0], y: of(view.rows[at], row)}));
    });
    if (isNew) paint(chart);
    const [before, row = before] = view.latest;
    drawLegend(chart, lines, row ? lines.map(([, of]) => of(before, row)) : []);
    chart.empty.hidden = lines.length > 0 && view.rows.length > 1;
    Object.assign(chart.drawing.options.scales.x, {min: view.now - view.length * 1000, max: view.now});
    chart.drawing.update('none');
  }

  // --- tables ---

  function say(node, words) {
    if (node.textContent !== String(words)) node.textContent = words;
  }

  // Makes @body have @count rows. Rows and cells stay the same elements from second to second: so
  // a selection stays, and who has the table read aloud keeps the place in it.
  function rowsOf(body, count, make) {
    while (body.rows.length > count) body.rows[body.rows.length - 1].remove();
    while (body.rows.length < count) body.append(make());
    return [...body.rows];
  }

  function workerRow() {
    const meter = element('meter', {min: 0, max: 1, high: 0.9});
    return element('tr', {}, element('th', {scope: 'row'}), element('td', {}, meter, element('span')),
      element('td', {className: 'number'}), element('td', {className: 'number'}));
  }

  function drawWorkers() {
    const [before, row = before] = view.latest;
    if (!row) return;
    const names = matching('worker_cpu_seconds_total');
    rowsOf($('workers').tBodies[0], names.length, workerRow).forEach(({cells}, i) => {
      const number = label(names[i]);
      const used = rate(names[i], before, row);
      const [meter, share] = cells[1].children;
      say(cells[0], number);
      meter.value = used;
      meter.setAttribute('aria-label', `CPU of worker ${number}`);
      say(share, text(formats.share(used)));
      say(cells[2], text(short(rate(`worker_req_recv_total{worker="${number}"}`, before, row))));
      say(cells[3], whole.format(value(`worker_connections{worker="${number}"}`, row)));
    });
    const batch = ratio('batch_frames_sum', 'batch_frames_count')(before, row);
    say($('batch'), batch === null ? '' : `${text(short(batch))} requests a receive`);
  }

  const connColumns = [
    ['', (conn) => conn.peer || 'unix socket'],
    ['number', (conn) => conn.worker],
    ['number', (conn) => duration(conn.age_s)],
    ['number', (conn) => text(short(conn.rate))],
    ['number', (conn) => whole.format(conn.in)],
    ['number', (conn) => whole.format(conn.out)],
    ['number', (conn) => (conn.queued_bytes ? text(bytes(conn.queued_bytes)) : '0')],
    ['number', (conn) => whole.format(conn.unanswered)],
    ['', (conn) => (conn.paused ? `not read: ${conn.paused.replaceAll('_', ' ')}` : conn.state)],
  ];

  function connRow() {
    return element('tr', {}, ...connColumns.map(([className], i) => (i ? element('td', {className}) : element('th', {scope: 'row'}))));
  }

  // The connections that the filter leaves, in the chosen order.
  function chosenConns() {
    const wanted = $('filter').value.trim().toLowerCase();
    const sign = view.descending ? -1 : 1;
    const key = view.sort;
    return view.conns.list
      .filter((conn) => `${conn.peer} ${conn.state} ${conn.paused} worker ${conn.worker}`.toLowerCase().includes(wanted))
      .sort((a, b) => sign * (typeof a[key] === 'string' ? a[key].localeCompare(b[key], 'en', {numeric: true}) : a[key] - b[key]));
  }

  function drawConns() {
    const conns = view.conns;
    if (!conns) return;
    const list = chosenConns();
    rowsOf($('conns').tBodies[0], list.length, connRow).forEach((row, i) => {
      connColumns.forEach(([, of], at) => say(row.cells[at], of(list[i])));
      row.lastElementChild.className = list[i].paused ? 'tag' : '';
    });
    const open = value('client_connected', view.latest[view.latest.length - 1] || []);
    const late = conns.workers - conns.answered;
    say($('shown'), `${list.length} of ${whole.format(open)}${late ? `; ${late} of ${conns.workers} workers did not answer in time` : ''}`);
    $('empty').hidden = list.length > 0;
    say($('empty'), conns.list.length ? `None of the ${conns.list.length} that are listed matches.` : 'None.');
  }

  // Where profiles are, seen from here: what listens on loopback or on every address goes by the
  // name that this page goes by. Nowhere if there are none, or on a unix socket.
  function profilesUrl(address) {
    if (!address || address.startsWith('unix:')) return '';
    const url = new URL(`http://${address}/debug/pprof/ui`);
    if (/^(127\.|0\.0\.0\.0$|\[::1?\]$)/.test(url.hostname)) url.hostname = location.hostname;
    return url.href;
  }

  function drawFacts() {
    const server = view.server;
    const terms = (pairs) => pairs.flatMap(([name, content]) => [element('dt', {textContent: name}), element('dd', {textContent: content})]);
    $('facts').replaceChildren(...terms([
      ['version', server.version], ['compiler', server.compiler], ['process', server.pid], ['started', day(server.started_ms)],
      ...server.listeners.map((listener) => ['listens on', `${listener.address} (${listener.dialect})`]),
      ['workers', server.workers], ['connections at most', whole.format(server.conns_max)]]));
    $('options').replaceChildren(...terms(Object.entries(server.options)));
    $('version').textContent = server.version;
    $('started').textContent = day(server.started_ms);
    $('started').dateTime = new Date(server.started_ms).toISOString();
    $('profiles').href = profilesUrl(server.profiles);
    $('profiles').hidden = !profilesUrl(server.profiles);
    document.title = `ackd ${server.listeners.length ? server.listeners[0].address : ''}`;
  }

  // --- asking ---

  function notice(words, kind = '') {
    if ($('notice').textContent !== words) $('notice').textContent = words;
    $('notice').dataset.kind = kind;
    $('notice').hidden = !words;
  }

  function setState(state, words = state) {
    $('state').dataset.state = state;
    $('state').textContent = words;
  }

  const isOther = ({server}) => view.started !== server.started_ms || view.pid !== server.pid;

  function take(answer) {
    const isNew = isOther(answer);
    if (isNew) {
      if (view.started) notice(`The server was restarted at ${clock(answer.server.started_ms)}. What is shown began then.`);
      view.started = answer.server.started_ms;
      view.pid = answer.server.pid;
      view.rows = [];
      view.names = answer.names;
      view.at = new Map(answer.names.map((name, index) => [name, index + 1]));
    } else if (view.failed) {
      notice('');
    }
    view.failed = 0;
    const isReloaded = !isNew && JSON.stringify(view.server) !== JSON.stringify(answer.server);
    view.server = answer.server;
    view.latest = answer.latest;
    view.length = answer.length_s;
    view.now = answer.now_ms;
    view.conns = answer.conns || null;
    const last = view.rows.length ? view.rows[view.rows.length - 1][0] : 0;
    view.rows = view.rows.concat(answer.samples.filter((row) => row[0] > last))
      .filter((row) => row[0] >= answer.now_ms - (answer.length_s + 2 * answer.period_s) * 1000);
    if (isNew || isReloaded) drawFacts();
    setState(answer.state);
  }

  function draw() {
    drawCards();
    charts.forEach(drawChart);
    drawWorkers();
    drawConns();
    $('uptime').textContent = duration((view.now - view.started) / 1000);
    document.body.dataset.tick = view.latest.length ? view.latest[view.latest.length - 1][0] : '';
  }

  async function ask() {
    const since = view.rows.length ? view.rows[view.rows.length - 1][0] : 0;
    const range = view.range;
    const response = await fetch(`/api/live?range=${range}&since=${since}&conns=${view.order}`,
      {cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS)});
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const answer = await response.json();
    if (answer.schema !== SCHEMA) throw new Error('this page is older than the server: reload it');
    if (range !== view.range) return; // asked before another range was chosen
    if (since && isOther(answer)) { // it may have samples that are older than the old one's last
      view.rows = [];
      await ask();
      return;
    }
    take(answer);
    draw();
  }

  function failed(error) {
    if (!view.failed) view.failedSince = Date.now();
    view.failed++;
    setState('gone', 'no answer');
    notice(`No answer from the server since ${clock(view.failedSince)}; asking again every second. (${error.message})`, 'bad');
  }

  let timer = 0;
  let asking = false;
  async function poll() {
    clearTimeout(timer);
    if (asking) return;
    asking = true;
    try {
      if (!view.paused && !document.hidden) await ask();
    } catch (error) {
      failed(error);
    }
    asking = false;
    timer = setTimeout(poll, POLL_MS);
  }

  // --- what a person does ---

  function chooseRange(range) {
    view.range = range;
    view.rows = [];
    document.querySelectorAll('[data-range]').forEach((button) => button.setAttribute('aria-pressed', button.dataset.range === range));
    poll();
  }

  function chooseSort(key) {
    view.descending = view.sort === key ? !view.descending : key !== 'peer' && key !== 'state';
    view.sort = key;
    document.querySelectorAll('#conns [data-sort]').forEach((button) => {
      const header = button.closest('th');
      if (button.dataset.sort === key) header.setAttribute('aria-sort', view.descending ? 'descending' : 'ascending');
      else header.removeAttribute('aria-sort');
    });
    drawConns();
  }

  const themes = {auto: ['Auto', 'as the system'], dark: ['Dark', 'dark'], light: ['Light', 'light']};
  const system = matchMedia('(prefers-color-scheme: dark)');
  function setTheme(theme) {
    const [word, said] = themes[theme];
    $('theme').textContent = word;
    $('theme').setAttribute('aria-label', `Colours: ${said}`);
    $('theme').dataset.choice = theme;
    document.documentElement.dataset.theme = theme === 'auto' ? (system.matches ? 'dark' : 'light') : theme;
    readColours();
    charts.forEach((chart) => { if (chart.drawing) { paint(chart); chart.drawing.update('none'); } });
  }
  function remember(theme) {
    try { localStorage.setItem('ackd-theme', theme); } catch { /* a browser may forbid it */ }
  }
  function remembered() {
    try { return localStorage.getItem('ackd-theme'); } catch { return null; }
  }

  function listen() {
    document.querySelectorAll('[data-range]').forEach((button) => button.addEventListener('click', () => chooseRange(button.dataset.range)));
    document.querySelectorAll('#conns [data-sort]').forEach((button) => button.addEventListener('click', () => chooseSort(button.dataset.sort)));
    $('filter').addEventListener('input', drawConns);
    $('order').addEventListener('change', () => {
      view.order = $('order').value;
      view.descending = false;
      chooseSort(view.order === 'queued' ? 'queued_bytes' : 'rate');
      poll();
    });
    $('pause').addEventListener('click', () => {
      view.paused = !view.paused;
      $('pause').setAttribute('aria-pressed', view.paused);
      if (view.paused) setState('paused');
      poll();
    });
    $('theme').addEventListener('click', () => {
      const order = Object.keys(themes);
      const next = order[(order.indexOf($('theme').dataset.choice) + 1) % order.length];
      remember(next);
      setTheme(next);
    });
    system.addEventListener('change', () => setTheme($('theme').dataset.choice));
    document.addEventListener('visibilitychange', () => { if (!document.hidden) poll(); });
  }

  const theme = remembered();
  setTheme(theme in themes ? theme : 'auto');
  makeCards();
  makeCharts();
  listen();
  poll();
})();
