// The `ws` package of Node against the tour.

const assert = require('node:assert/strict');
const WebSocket = require('ws');

const base = process.env.CYCLONE_TEST_URL_HTTP.replace(/^http/, 'ws');
const room = `${base}/room/lobby/socket`;

function open(url, options) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, options);
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });
}

const once = (socket, event) => new Promise((resolve) => {
  socket.once(event, (...values) => resolve(values));
});

async function main() {
  const ada = await open(`${room}?name=ada`);
  const bob = await open(`${room}?name=bob`, { perMessageDeflate: true });
  const heard = once(bob, 'message');
  ada.send(JSON.stringify({ type: 'say', id: 'js-1', text: 'hello from Node' }));
  const [data, binary] = await heard;
  assert.equal(binary, false);
  assert.equal(JSON.parse(data).text, 'hello from Node');

  const pong = once(ada, 'pong');
  ada.ping('are you there');
  assert.equal(String((await pong)[0]), 'are you there');

  const closed = once(ada, 'close');
  ada.close(1000, 'done');
  assert.equal((await closed)[0], 1000);

  // What is not for the chat ends the session by a code that says so.
  const refused = once(bob, 'close');
  bob.send('not even JSON');
  assert.equal((await refused)[0], 1008);

  await assert.rejects(open(`${room}?name=eve`, { origin: 'https://elsewhere.example' }), /403/);
  await assert.rejects(open(`${base}/room/nowhere/socket?name=eve`), /404/);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
