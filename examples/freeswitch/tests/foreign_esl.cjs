// modesl, an event socket library of other people, against the stand-in for FreeSWITCH and against our calls.

const assert = require('node:assert/strict');
const esl = require('modesl');

const [host, port] = process.env.CYCLONE_TEST_URL_ESL.replace('esl://', '').split(':');
const ours = process.env.CYCLONE_TEST_URL_CALLS.replace('calls://', '');
const LIMIT = 60_000;

function within(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('it hangs')), LIMIT);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

// A call with a callback that gets one event.
const asked = (ask) => within(new Promise((resolve) => { ask(resolve); }));

const connect = () => asked((ready) => {
  const client = new esl.Connection(host, Number(port), 'ClueCon', () => ready(client));
});

async function checkCommands(client) {
  const version = await asked((done) => { client.api('version', done); });
  assert.match(version.getBody(), /^FreeSWITCH Version/);
  const echoed = await asked((done) => { client.api('echo', 'hé', done); });
  assert.equal(echoed.getBody(), 'hé');
  const unknown = await asked((done) => { client.sendRecv('nosuchcommand', done); });
  assert.equal(unknown.getHeader('Reply-Text'), '-ERR command not found');
  const numbers = [...Array(50).keys()].map(String);
  const answers = await Promise.all(numbers.map((number) => asked((done) => { client.api('echo', number, done); })));
  assert.deepEqual(answers.map((answer) => answer.getBody()), numbers);
  const job = await asked((done) => { client.bgapi('echo', 'in the background', done); });
  assert.equal(job.getBody(), 'in the background');
  const shown = await asked((done) => { client.show('channels', (error, parsed) => done([error, parsed])); });
  assert.deepEqual(shown[0], null);
}

async function checkEvents(client) {
  await asked((done) => { client.subscribe(['CHANNEL_ANSWER', 'CHANNEL_HANGUP_COMPLETE', 'CUSTOM', 'a::b'], done); });
  const custom = asked((done) => { client.once('esl::event::CUSTOM::*', done); });
  const event = new esl.Event('custom', 'a::b');
  event.addHeader('Text', 'ü ö');
  event.addBody('body');
  await asked((done) => { client.sendEvent(event, done); });
  assert.equal((await custom).getHeader('Text'), 'ü ö');
  assert.equal((await custom).getBody(), 'body');

  const log = asked((done) => { client.once('esl::event::logdata', done); });
  await asked((done) => { client.sendRecv('log 7', done); });
  assert.match((await log).getBody(), /somebody reads the log/);

  const answered = asked((done) => { client.once('esl::event::CHANNEL_ANSWER::*', done); });
  const created = await asked((done) => { client.api('originate', 'user/1000 &park', done); });
  const uuid = created.getBody().replace('+OK ', '').trim();
  assert.equal((await answered).getHeader('Unique-ID'), uuid);
  const played = await asked((done) => { client.execute('playback', 'tone_stream://x', uuid, done); });
  assert.equal(played.getHeader('Application-Data'), 'tone_stream://x');
}

// The program's own calls, watched from here.
async function checkCalls(client) {
  const created = await asked((done) => { client.api('originate', `user/1000 &socket(${ours} async full)`, done); });
  const uuid = created.getBody().replace('+OK ', '').trim();
  const ended = await asked((done) => { client.once(`esl::event::CHANNEL_HANGUP_COMPLETE::${uuid}`, done); });
  assert.equal(ended.getHeader('Hangup-Cause'), 'NORMAL_CLEARING');
}

// Their server, to which the stand-in connects with a call.
async function checkServer(client) {
  let server;
  await asked((ready) => { server = new esl.Server({ port: 0, host: '127.0.0.1', myevents: true }, ready); });
  const { port: place } = server.server.address();
  const connected = asked((done) => { server.on('connection::ready', done); });
  const created = await asked((done) => {
    client.api('originate', `user/1000 &socket(127.0.0.1:${place} async full)`, done);
  });
  const call = await connected;
  const uuid = call.getInfo().getHeader('Unique-ID');
  assert.equal(created.getBody(), `+OK ${uuid}\n`);
  assert.equal(call.getInfo().getHeader('Caller-Callee-ID-Name'), 'Outbound Call');
  const played = await asked((done) => { call.execute('playback', 'tone_stream://x', done); });
  assert.equal(played.getHeader('Application'), 'playback');
  const gone = asked((done) => { call.once('esl::end', done); });
  call.sendRecv('sendmsg', { 'call-command': 'hangup', 'hangup-cause': 'USER_BUSY' }, () => {});
  await gone;
  await asked((done) => { server.close(done); });
}

async function checkLogin() {
  const refused = new esl.Connection(host, Number(port), 'wrong');
  const event = await asked((done) => { refused.once('esl::event::auth::fail', done); });
  assert.equal(event.getHeader('Reply-Text'), '-ERR invalid');
}

async function main() {
  const client = await connect();
  await checkCommands(client);
  await checkEvents(client);
  await checkCalls(client);
  await checkServer(client);
  await checkLogin();
  client.disconnect();
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
