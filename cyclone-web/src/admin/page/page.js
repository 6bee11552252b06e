'use strict';

// What the page shows, as it comes: one event a second. Texts of the server become text, never markup.

const HISTORY = 300;
const SHORTEST = 60;
const CHART = { width: 300, height: 46 };
const $ = (id) => document.getElementById(id);

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === 'class') node.className = value; else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Brings the children of a node in line with a list, each by its key, so that what stays is not made anew.
function sync(parent, items, key, create, update) {
  const known = new Map();
  for (const child of parent.children) known.set(child.dataset.key, child);
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = known.get(name);
    known.delete(name);
    if (!child) {
      child = create(item);
      child.dataset.key = name;
    }
    if (child === place) place = place.nextElementSibling; else parent.insertBefore(child, place);
    update(child, item);
  }
  for (const child of known.values()) child.remove();
}

const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

function number(value) {
  return Math.abs(value) < 100000 ? plain.format(value) : short.format(value);
}

function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) { value /= 1024; at += 1; }
  return [value >= 100 || at === 0 ? value.toFixed(0) : value.toFixed(1), units[at]];
}

function time(seconds) {
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${Math.floor(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} m`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds % 86400 / 3600)} h`;
}

function measure(name, value) {
  if (name.endsWith('_seconds')) return time(value);
  if (name.endsWith('bytes') || name.endsWith('bytes_total')) return bytes(value).join(' ');
  return number(value);
}

const words = (name) => name.replace(/_total$|_seconds$/, '').replaceAll('_', ' ');

const GOOD = ['up', 'ready', 'running'];
const WARN = ['degraded', 'starting', 'draining', 'waiting', 'stopping', 'new'];
const BAD = ['down', 'failed'];

function pill(node, word) {
  const tone = GOOD.includes(word) ? 'good' : WARN.includes(word) ? 'warn' : BAD.includes(word) ? 'bad' : '';
  node.className = `pill ${tone}`;
  put(node, word);
}

// --- Charts ---

const points = [];
const rate = (name) => (point, before) => {
  const seconds = before ? point.at_s - before.at_s : 0;
  return seconds > 0 ? Math.max(0, point[name] - before[name]) / seconds : null;
};

const CHARTS = [
  { title: 'Requests', unit: 'per second', of: rate('requests'), text: (value) => [number(value), '/s'] },
  { title: 'Connections', of: (point) => point.open, text: (value) => [number(value), ''] },
  { title: 'Event loop late by', of: (point) => point.delay_s, text: (value) => [(value * 1000).toFixed(1), 'ms'] },
  { title: 'Processor', of: rate('cpu_s'), text: (value) => [(value * 100).toFixed(value < 0.1 ? 1 : 0), '%'] },
  { title: 'Memory', of: (point) => point.resident_bytes || null, text: bytes },
];

const SVG = 'http://www.w3.org/2000/svg';

function tile(chart) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${CHART.width} ${CHART.height}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true');
  chart.area = document.createElementNS(SVG, 'path');
  chart.line = document.createElementNS(SVG, 'polyline');
  svg.append(chart.area, chart.line);
  chart.value = make('strong', null, '–');
  chart.peak = make('span', { class: 'peak' });
  chart.node = make('div', { class: 'tile', hidden: '' }, make('small', null, chart.title), chart.value, chart.peak, svg);
  return chart.node;
}

function draw(chart) {
  const values = points.map((point, at) => chart.of(point, points[at - 1]));
  const known = values.filter((value) => value !== null && value !== undefined);
  chart.node.hidden = known.length === 0;
  if (known.length === 0) return;
  const [text, unit] = chart.text(known[known.length - 1]);
  chart.value.replaceChildren(text, make('span', null, unit));
  const top = Math.max(...known);
  put(chart.peak, `peak ${chart.text(top).join(' ').trim()}`);
  const scale = (CHART.height - 6) / (top || 1);
  const step = CHART.width / (Math.max(SHORTEST, points.length) - 1);
  const first = CHART.width - (values.length - 1) * step;
  const dots = [];
  values.forEach((value, at) => {
    if (value !== null && value !== undefined) {
      dots.push(`${(first + at * step).toFixed(1)},${(CHART.height - 2 - value * scale).toFixed(1)}`);
    }
  });
  chart.line.setAttribute('points', dots.join(' '));
  const [left] = dots[0].split(',');
  chart.area.setAttribute('d', `M${left},${CHART.height} L${dots.join(' L')} L${CHART.width},${CHART.height} Z`);
}

function remember(point) {
  const last = points[points.length - 1];
  // The server began anew.
  if (last && point.at_s < last.at_s) points.length = 0;
  if (last && point.at_s === last.at_s) return;
  points.push(point);
  if (points.length > HISTORY) points.splice(0, points.length - HISTORY);
}

// --- Parts of the page ---

function bar() {
  return make('div', { class: 'bar' }, make('b'), make('span'), make('div', { class: 'track' }, make('i')));
}

function fillBar(node, name, text, share, warns) {
  const [label, value, track] = node.children;
  put(label, name);
  put(value, text);
  const fill = track.firstElementChild;
  fill.style.width = `${Math.min(100, Math.max(share * 100, share > 0 ? 0.7 : 0)).toFixed(1)}%`;
  fill.className = !warns || share < 0.7 ? '' : share < 0.9 ? 'warn' : 'bad';
}

function showProtocols(connections) {
  const most = Math.max(1, ...connections.protocols.map((one) => one.open));
  sync($('protocols'), connections.protocols, (one) => one.protocol, bar, (node, one) => {
    fillBar(node, one.protocol, `${number(one.open)} open · ${number(one.begun)} in all`, one.open / most, false);
  });
}

function showLimits(limits) {
  sync($('limits'), limits, (one) => one.name, bar, (node, one) => {
    const used = one.name.endsWith('bytes') ? bytes(one.used).join(' ') : number(one.used);
    const limit = one.name.endsWith('bytes') ? bytes(one.limit).join(' ') : number(one.limit);
    fillBar(node, one.name, `${used} of ${limit}`, one.limit ? one.used / one.limit : 0, true);
  });
}

function service() {
  const row = make('div', { class: 'row' }, make('b'), make('span', { class: 'pill' }), make('span', { class: 'muted' }),
    make('span', { class: 'reason', hidden: '' }));
  return make('li', null, row, make('ul'));
}

function fillService(node, one) {
  const [row, parts] = node.children;
  const [name, state, muted, reason] = row.children;
  put(name, one.name);
  pill(state, one.state === 'running' ? one.health.state : one.state);
  const times = one.restarts === 1 ? '1 restart' : `${number(one.restarts)} restarts`;
  put(muted, `for ${time(one.since_s)}${one.restarts ? ` · ${times}` : ''}`);
  const isOver = ['running', 'finished', 'stopped'].includes(one.state);
  let text = one.health.reason && isOver ? one.health.reason : '';
  let isOld = false;
  if (!text && one.failure) {
    isOld = isOver;
    const row = one.failure.in_a_row > 1 ? `, ${one.failure.in_a_row} times since ${time(one.failure.since_s)} ago` : '';
    const next = one.failure.retry_in_s !== undefined && !isOver ? `, again in ${time(one.failure.retry_in_s)}` : '';
    text = `${isOld ? 'last failure ' : ''}${one.failure.error} (${time(one.failure.ago_s)} ago${row}${next})`;
  }
  put(reason, text);
  reason.hidden = !text;
  reason.className = `reason${isOld ? ' old' : ''}`;
  sync(parts, one.parts || [], (part) => part.path, service, fillService);
}

function card() {
  return make('article', { class: 'card' },
    make('header', null, make('b'), make('span', { class: 'facts' }), make('span', { class: 'pill', hidden: '' })),
    make('div', { class: 'bars' }), make('span', { class: 'reason', hidden: '' }), make('dl'));
}

const labelled = (metric) => Object.values(metric.labels || {}).join(' ');

function fillCard(node, source) {
  const [head, bars, reason, list] = node.children;
  const [name, kind, health] = head.children;
  put(name, source.kind === source.name ? source.name.replaceAll('_', ' ') : source.name);
  put(kind, source.kind === source.name ? '' : source.kind.replaceAll('_', ' '));
  health.hidden = !source.health;
  if (source.health) pill(health, source.health.state);
  put(reason, (source.health && source.health.reason) || '');
  reason.hidden = !reason.textContent;
  const limited = source.metrics.filter((metric) => metric.limit !== undefined);
  sync(bars, limited, (metric) => metric.name + labelled(metric), bar, (node, metric) => {
    const text = `${measure(metric.name, metric.value)} of ${measure(metric.name, metric.limit)}`;
    fillBar(node, `${words(metric.name)} ${labelled(metric)}`.trim(), text, metric.limit ? metric.value / metric.limit : 0, true);
  });
  bars.hidden = limited.length === 0;
  const rest = source.metrics.filter((metric) => metric.limit === undefined).flatMap((metric) => {
    if (metric.buckets === undefined) {
      const name = `${words(metric.name)} ${labelled(metric)}`.trim();
      return [{ name, text: measure(metric.name, metric.value), help: metric.help, isZero: metric.value === 0 }];
    }
    const mean = metric.value ? metric.sum / metric.value : 0;
    const show = (value) => (metric.name.endsWith('_seconds') ? time(value) : number(value));
    const name = `${words(metric.name)} ${labelled(metric)}`.trim();
    return [
      { name: `${name}, mean`, text: metric.value ? show(mean) : '–', help: metric.help },
      { name: `${name}, 99 %`, text: metric.value ? quantile(metric, 0.99, show) : '–', help: metric.help },
    ];
  });
  sync(list, rest.flatMap((one) => [{ ...one, tag: 'dt' }, { ...one, tag: 'dd' }]), (one) => one.tag + one.name,
    (one) => make(one.tag, { title: one.help }), (node, one) => {
      put(node, one.tag === 'dt' ? one.name : one.text);
      node.className = one.isZero ? 'zero' : '';
    });
}

// The upper bound of the bucket that holds a quantile: no more is known.
function quantile(metric, share, show) {
  const wanted = metric.value * share;
  const bucket = metric.buckets.find(([, count]) => count >= wanted);
  return bucket ? `≤ ${show(bucket[0])}` : `> ${show(metric.buckets[metric.buckets.length - 1][0])}`;
}

// --- Connections ---

let newest = { connections: [], open: 0, readOnly: true };

function connectionRow(one) {
  const row = make('tr', null, make('td', { class: 'number' }), make('td'), make('td'), make('td', { class: 'wide' }),
    make('td', { class: 'number' }), make('td'));
  if (!newest.readOnly) {
    const button = make('button', { type: 'button', 'aria-label': `close connection ${one.id}` }, 'close');
    button.addEventListener('click', () => close(one));
    row.lastElementChild.append(button);
  }
  return row;
}

function fillRow(row, one) {
  [one.server ? `${one.server}:${one.id}` : one.id, one.protocol, one.peer, one.local, time(one.age_s)].forEach((text, at) => put(row.children[at], String(text)));
}

function showConnections() {
  const wanted = $('filter').value.trim().toLowerCase();
  const matches = (one) => [one.id, one.protocol, one.peer, one.local].join(' ').toLowerCase().includes(wanted);
  const shown = newest.connections.filter(matches);
  sync($('connections'), shown, (one) => `${one.server || ''} ${one.id}`, connectionRow, fillRow);
  const part = newest.open > newest.connections.length ? `the newest ${newest.connections.length} ` : '';
  put($('shown'), wanted ? `${shown.length} of ${part || newest.connections.length}` : `${part}${part ? 'of ' : ''}${number(newest.open)} open`);
  $('empty').hidden = shown.length > 0;
  put($('empty'), wanted ? 'none fits the filter' : 'no open connection');
}

async function close(one) {
  if (!confirm(`Close connection ${one.id} (${one.protocol}, ${one.peer}) at once?`)) return;
  try {
    // The peer as well: the server may have begun anew meanwhile, and has the same numbers again.
    const which = new URLSearchParams({ peer: one.peer, ...(one.server && { server: one.server }) });
    const answer = await fetch(`connections/${one.id}/close?${which}`, { method: 'POST', headers: { 'x-cyclone-admin': '1' } });
    if (!answer.ok) notice(`Connection ${one.id}: ${(await answer.text()).trim()}`);
  } catch {
    notice(`Connection ${one.id} was not closed: the server does not answer.`);
  }
}

let noticeTimer;
function notice(text) {
  put($('notice'), text);
  $('notice').hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { $('notice').hidden = true; }, 8000);
}

// --- Events ---

function readiness(state) {
  const parts = [...(state.waiting_for || []).map((path) => `waiting for ${path}`),
    ...Object.entries(state.down || {}).map(([name, health]) => `${name} ${health.state}`)];
  pill($('ready'), state.state);
  if (parts.length) put($('ready'), `${state.state}: ${parts.join(', ')}`);
}

function show(event) {
  const { status } = event;
  const process = status.process;
  readiness(status.readiness);
  put($('title'), location.host || 'cyclone');
  document.title = `${status.readiness.state} · ${location.host}`;
  put($('facts'), [
    `up ${time(status.uptime_s)}`,
    status.version && `version ${status.version}`,
    `pid ${process.pid}`,
    process.threads && `${process.threads} threads`,
    status.servers > 1 && `${status.servers} servers`,
    `${number(status.runtime.tasks)} tasks`,
    `cyclone ${status.cyclone}`,
  ].filter(Boolean).join(' · '));
  remember(event.point);
  CHARTS.forEach(draw);
  showProtocols(status.connections);
  showLimits(status.limits);
  sync($('listeners'), status.listeners, (one) => one.endpoint + one.address, () => make('li', null, make('b'), make('span')), (node, one) => {
    put(node.children[0], one.address);
    put(node.children[1], one.protocol);
  });
  sync($('services'), status.services, (one) => one.path, service, fillService);
  sync($('sources'), status.sources, (one) => `${one.kind} ${one.name}`, card, fillCard);
  $('sources-section').hidden = status.sources.length === 0;
  newest = { connections: event.connections, open: status.connections.open, readOnly: event.read_only };
  showConnections();
}

$('tiles').append(...CHARTS.map(tile));
$('filter').addEventListener('input', showConnections);

const root = document.documentElement;
try { if (localStorage.getItem('cyclone.theme')) root.dataset.theme = localStorage.getItem('cyclone.theme'); } catch { /* no storage */ }
$('theme').addEventListener('click', () => {
  const isDark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = isDark ? 'light' : 'dark';
  try { localStorage.setItem('cyclone.theme', root.dataset.theme); } catch { /* no storage */ }
});

const events = new EventSource('events');
events.addEventListener('history', (event) => { JSON.parse(event.data).forEach(remember); });
events.addEventListener('status', (event) => show(JSON.parse(event.data)));
events.onerror = () => {
  pill($('ready'), 'down');
  put($('ready'), events.readyState === EventSource.CLOSED ? 'not connected' : 'reconnecting');
};
