// One room: shows what is said, in order and once, and keeps what this page says until it is stored.

const list = document.querySelector('#messages');
const state = document.querySelector('#state');
const form = document.querySelector('#say');
const nameField = document.querySelector('#name');
const textField = document.querySelector('#text');
const room = list.dataset.room;

let seen = Number(list.dataset.seen);
let socket = null;
let pause = 250;
let timer = 0;

// What was said and is not known to be stored, oldest first. It outlives the page.
const outboxKey = `tour.outbox.${room}`;
let outbox = JSON.parse(localStorage.getItem(outboxKey) ?? '[]');
const keepOutbox = () => localStorage.setItem(outboxKey, JSON.stringify(outbox));

let name = localStorage.getItem('tour.name') || `guest-${Math.floor(Math.random() * 9000 + 1000)}`;
localStorage.setItem('tour.name', name);
nameField.value = name;

// The name of the open socket. What waits goes out under the name that it was said under: under another one it
// would be stored a second time if it was stored before.
let speaking = name;
const nextName = () => outbox[0]?.author || name;

function setState(text, kind) {
  state.textContent = text;
  state.className = `state ${kind}`;
}

function line(author, text, at) {
  const item = document.createElement('li');
  const who = document.createElement('b');
  who.textContent = author;
  const what = document.createElement('span');
  what.textContent = text;
  item.append(who, ' ', what);
  if (at) item.append(clock(at));
  return item;
}

function clock(at) {
  const time = document.createElement('time');
  const date = new Date(Number(at));
  time.dateTime = date.toISOString();
  time.textContent = date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return time;
}

function atBottom() {
  return list.scrollHeight - list.scrollTop - list.clientHeight < 60;
}

function show(message) {
  if (message.seq <= seen) return;
  seen = message.seq;
  const follow = atBottom();
  list.querySelector(`li.waiting[data-id="${CSS.escape(message.id)}"]`)?.remove();
  const item = line(message.author, message.text, message.sent_ms);
  item.dataset.seq = message.seq;
  list.insertBefore(item, list.querySelector('li.waiting'));
  if (follow) list.scrollTop = list.scrollHeight;
}

function showWaiting(entry) {
  const item = line(entry.author, entry.text);
  item.classList.add('waiting');
  item.dataset.id = entry.id;
  list.append(item);
  list.scrollTop = list.scrollHeight;
}

function settle(id) {
  outbox = outbox.filter((entry) => entry.id !== id);
  keepOutbox();
  if (speaking !== nextName()) reconnect();
}

function reconnect() {
  pause = 250;
  socket?.close();
}

function send(entry) {
  if (socket?.readyState === WebSocket.OPEN && (entry.author || name) === speaking) {
    socket.send(JSON.stringify({ type: 'say', id: entry.id, text: entry.text }));
  }
}

function connect() {
  clearTimeout(timer);
  speaking = nextName();
  const query = new URLSearchParams({ name: speaking, after: seen });
  const base = location.origin.replace(/^http/, 'ws');
  const opened = new WebSocket(`${base}/room/${room}/socket?${query}`);
  socket = opened;
  opened.onopen = () => {
    pause = 250;
    setState('connected', 'on');
    outbox.forEach(send);
  };
  opened.onmessage = (event) => {
    const reply = JSON.parse(event.data);
    if (reply.type === 'message') show(reply);
    if (reply.type === 'ack') settle(reply.id);
    if (reply.type === 'refused' && reply.retry) {
      setTimeout(() => outbox.filter((entry) => entry.id === reply.id).forEach(send), 2000);
    }
    if (reply.type === 'refused' && !reply.retry) {
      settle(reply.id);
      const item = list.querySelector(`li.waiting[data-id="${CSS.escape(reply.id)}"]`);
      item?.classList.replace('waiting', 'refused');
      item?.append(` (${reply.reason})`);
    }
  };
  opened.onclose = () => {
    if (socket !== opened) return;
    setState(navigator.onLine ? 'reconnecting' : 'offline', 'off');
    // Jitter: not everybody at once when the server comes back.
    timer = setTimeout(connect, pause * (0.5 + Math.random()));
    pause = Math.min(pause * 2, 10000);
  };
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const text = textField.value.trim();
  if (!text) return;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const entry = { id, author: name, text };
  outbox.push(entry);
  keepOutbox();
  showWaiting(entry);
  send(entry);
  textField.value = '';
});

nameField.addEventListener('change', () => {
  name = nameField.value.trim() || name;
  nameField.value = name;
  localStorage.setItem('tour.name', name);
  if (speaking !== nextName()) reconnect();
});

addEventListener('online', () => {
  pause = 250;
  if (socket?.readyState !== WebSocket.OPEN) connect();
});
addEventListener('offline', () => {
  setState('offline', 'off');
  socket?.close();
});

list.querySelectorAll('li[data-at]').forEach((item) => item.append(clock(item.dataset.at)));
list.scrollTop = list.scrollHeight;
outbox.forEach(showWaiting);
connect();
