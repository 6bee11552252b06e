// The tour in a real browser: two pages chat, the dashboard counts, a page that was offline catches up.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { chromium } = require('playwright-core');

const base = process.env.CYCLONE_TEST_URL_HTTP;
const pictures = process.env.CYCLONE_TEST_PICTURES;
const SECONDS = 1000;

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

async function open(browser, name, target) {
  const context = await browser.newContext({ viewport: { width: 390, height: 780 } });
  await context.addInitScript((value) => localStorage.setItem('tour.name', value), name);
  const page = await context.newPage();
  page.on('pageerror', (error) => { throw error; });
  page.on('console', (message) => {
    // A page that goes offline is told so by the browser.
    if (message.type() === 'error' && !/ERR_INTERNET_DISCONNECTED|WebSocket/.test(message.text())) {
      throw new Error(`${name}: ${message.text()}`);
    }
  });
  await page.goto(base + target);
  return page;
}

const state = (page, text) => page.waitForFunction(
  (wanted) => document.querySelector('#state').textContent === wanted, text, { timeout: 20 * SECONDS });

async function say(page, text) {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
}

const shown = (page) => page.$$eval('#messages li', (items) => items.map((item) => (
  `${item.querySelector('b').textContent}: ${item.querySelector('span').textContent}`)));

const waitFor = (page, text) => page.waitForFunction(
  (wanted) => [...document.querySelectorAll('#messages li:not(.waiting) span')]
    .some((span) => span.textContent === wanted),
  text, { timeout: 20 * SECONDS });

// A page loses the answer to what it said and is loaded anew, after a change of its name too: it is said once.
async function lostAnswer(browser, renamed) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.addInitScript(() => {
    if (sessionStorage.getItem('loaded')) return;
    sessionStorage.setItem('loaded', 'yes');
    window.WebSocket = class extends WebSocket { set onmessage(_ignored) {} };
  });
  const said = `once ${renamed}`;
  const stored = async () => {
    const messages = await (await page.request.get(`${base}/room/lobby/messages`)).json();
    return messages.filter((message) => message.text === said).length;
  };
  const settled = () => page.waitForFunction(
    () => localStorage.getItem('tour.outbox.lobby') === '[]', null, { timeout: 20 * SECONDS });
  await page.goto(`${base}/room/lobby`);
  await state(page, 'connected');
  await say(page, said);
  while (await stored() === 0);
  if (renamed) {
    await page.fill('#name', 'other');
    await page.press('#name', 'Tab');
  }
  await page.reload();
  await settled();
  assert.equal(await stored(), 1);
  if (renamed) {
    await say(page, 'under another name');
    await waitFor(page, 'under another name');
    assert((await shown(page)).includes('other: under another name'));
  }
  await context.close();
}

async function main() {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'tour-browser-'));
  const browser = await chromium.launch({
    executablePath: process.env.CYCLONE_TEST_CHROMIUM,
    args: [...FLAGS, `--crash-dumps-dir=${profile}`],
  });
  try {
    // A room of its own, made by the form of the first page.
    const ada = await open(browser, 'ada', '/');
    await ada.fill('input[name=name]', 'Garden');
    await Promise.all([ada.waitForURL('**/room/garden'), ada.click('button')]);
    const bob = await open(browser, 'bob', '/room/garden');
    await Promise.all([state(ada, 'connected'), state(bob, 'connected')]);

    await say(ada, 'hello from ada');
    await waitFor(bob, 'hello from ada');
    await say(bob, '<b>hello</b> from bob');
    await waitFor(ada, '<b>hello</b> from bob');
    assert.equal(await ada.$('#messages span b'), null, 'a message must not become markup');

    // The counters move.
    const board = await open(browser, 'board', '/dashboard');
    await state(board, 'live');
    const sockets = () => board.$eval('#connections tr[data-protocol=websocket] td:last-child', (cell) => Number(cell.textContent));
    await board.waitForSelector('#connections tr[data-protocol=websocket]', { timeout: 20 * SECONDS });
    assert.equal(await sockets(), 2);
    const before = Number(await board.textContent('#requests'));
    for (let turn = 0; turn < 5; turn += 1) {
      assert.equal((await board.request.get(`${base}/status`)).status(), 200);
    }
    await board.waitForFunction(
      (count) => Number(document.querySelector('#requests').textContent) >= count + 5,
      before, { timeout: 20 * SECONDS });
    await board.waitForFunction(
      () => document.querySelector('#database').textContent === 'up', null, { timeout: 20 * SECONDS });

    // Bob loses the network; what is said meanwhile, and what he says, is there when it is back, once.
    await bob.context().setOffline(true);
    await state(bob, 'offline');
    await say(ada, 'bob cannot see this');
    await say(ada, 'nor this');
    await say(bob, 'said while offline');
    await waitFor(ada, 'nor this');
    assert(!(await shown(bob)).some((line) => line.includes('nor this')));
    assert(!(await shown(ada)).some((line) => line.includes('said while offline')));
    await bob.screenshot({ path: path.join(pictures, 'tour-offline.png') });
    await bob.context().setOffline(false);
    await state(bob, 'connected');
    await waitFor(bob, 'said while offline');
    await waitFor(ada, 'said while offline');
    const expected = [
      'ada: hello from ada',
      'bob: <b>hello</b> from bob',
      'ada: bob cannot see this',
      'ada: nor this',
      'bob: said while offline',
    ];
    assert.deepEqual(await shown(bob), expected);
    assert.deepEqual(await shown(ada), expected);

    // A page loaded anew shows the same.
    await ada.reload();
    await state(ada, 'connected');
    assert.deepEqual(await shown(ada), expected);

    await ada.screenshot({ path: path.join(pictures, 'tour-room.png') });
    await board.screenshot({ path: path.join(pictures, 'tour-dashboard.png'), fullPage: true });
    await bob.goto(base);
    await bob.screenshot({ path: path.join(pictures, 'tour-home.png') });

    for (const renamed of [false, true]) await lostAnswer(browser, renamed);
  } finally {
    await browser.close();
    fs.rmSync(profile, { recursive: true, force: true });
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
