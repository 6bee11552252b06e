// The dashboard: counters as they come, once a second.

const state = document.querySelector('#state');
const rows = document.querySelector('#connections');
const line = document.querySelector('#chart polyline');
const rates = [];

const put = (id, value) => { document.getElementById(id).textContent = value; };

function show(counters) {
  put('requests_per_s', counters.requests_per_s.toFixed(1));
  put('requests', counters.requests);
  put('guests', counters.guests);
  put('accepted', counters.accepted);
  put('uptime', `${counters.uptime_s} s`);
  put('delay', `${counters.event_loop_delay_ms.mean} / ${counters.event_loop_delay_ms.worst}`);
  put('database', counters.database.health);
  put('committed', counters.database.committed);
  rows.replaceChildren(...Object.entries(counters.connections).map(([protocol, open]) => {
    const row = document.createElement('tr');
    for (const text of [protocol, open]) row.insertCell().textContent = text;
    row.dataset.protocol = protocol;
    return row;
  }));
  rates.push(counters.requests_per_s);
  if (rates.length > 120) rates.shift();
  const top = Math.max(1, ...rates);
  line.setAttribute('points', rates.map((rate, at) => `${at},${39 - (rate / top) * 37}`).join(' '));
}

const events = new EventSource('/events');
events.onopen = () => { state.textContent = 'live'; state.className = 'state on'; };
events.onmessage = (event) => show(JSON.parse(event.data));
events.onerror = () => { state.textContent = 'reconnecting'; state.className = 'state off'; };
