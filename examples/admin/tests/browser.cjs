// The live page of the admin example in a real browser: it counts, it closes a connection, and other pages get nothing.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { chromium } = require('playwright-core');

const shop = process.env.CYCLONE_TEST_URL_HTTP;
const admin = process.env.CYCLONE_TEST_URL_ADMIN.replace('admin://', 'http://');
const pictures = process.env.CYCLONE_TEST_PICTURES;
const LIMIT = { timeout: 20000 };

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

async function open(browser, width, scheme) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
  const page = await context.newPage();
  page.on('pageerror', (error) => { throw error; });
  page.on('console', (message) => {
    if (message.type() === 'error') throw new Error(message.text());
  });
  await page.goto(`${admin}/`);
  await page.waitForFunction(() => document.querySelector('#ready').textContent === 'ready', null, LIMIT);
  return page;
}

const tile = (page, at) => page.textContent(`.tile:nth-child(${at}) strong`);

// A peer that says nothing, until it is closed.
function silent() {
  const { hostname, port } = new URL(shop);
  const socket = net.connect(Number(port), hostname);
  socket.on('error', () => {});
  return new Promise((resolve) => {
    socket.on('connect', () => resolve({ port: socket.localPort, closed: new Promise((done) => socket.on('close', done)) }));
  });
}

async function main() {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'admin-browser-'));
  const browser = await chromium.launch({
    executablePath: process.env.CYCLONE_TEST_CHROMIUM,
    args: [...FLAGS, `--crash-dumps-dir=${profile}`],
  });
  try {
    const page = await open(browser, 1280, 'light');
    for (let turn = 0; turn < 30; turn += 1) {
      assert.equal((await page.request.post(`${shop}/order/tea`)).status(), 200);
    }
    // The charts, the tree, the cards, the bars.
    await page.waitForFunction(() => parseFloat(document.querySelector('.tile strong').textContent) > 0, null, LIMIT);
    assert.match(await tile(page, 2), /^\d+$/);
    await page.waitForSelector('#services [data-key="jobs/stocktaking"] .pill.good', LIMIT);
    assert.equal(await page.textContent('#services [data-key="jobs"] > .row b'), 'jobs');
    await page.waitForSelector('#sources [data-key="pool warehouse"] .pill.good', LIMIT);
    assert.match(await page.textContent('#limits'), /pool warehouse connections in use/);
    assert.match(await page.textContent('#listeners'), /http/);

    // A connection is found by its port, and closed by its button, when the question is answered with yes.
    const peer = await silent();
    await page.fill('#filter', `:${peer.port}`);
    const row = await page.waitForSelector(`#connections tr:has-text(":${peer.port}")`, LIMIT);
    assert.equal((await page.$$('#connections tr')).length, 1);
    page.once('dialog', (dialog) => dialog.dismiss());
    await (await row.$('button')).click();
    assert.notEqual(await page.$('#connections tr'), null);
    page.once('dialog', (dialog) => dialog.accept());
    await (await row.$('button')).click();
    await peer.closed;
    await page.waitForSelector('#empty:not([hidden])', LIMIT);
    await page.fill('#filter', '');

    // The button for light and dark is remembered.
    await page.click('#theme');
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
    await page.reload();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
    await page.click('#theme');

    // Nothing sticks out, wide or narrow, light or dark.
    for (const [width, scheme] of [[1280, 'light'], [1280, 'dark'], [400, 'light'], [400, 'dark']]) {
      const other = await open(browser, width, scheme);
      await other.waitForSelector('#connections tr', LIMIT);
      assert(await other.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth));
      await other.screenshot({ path: path.join(pictures, `admin-${width}-${scheme}.png`), fullPage: true });
      await other.context().close();
    }

    // A page of another origin can neither read, listen, frame, nor change anything.
    const victim = await silent();
    const list = await (await page.request.get(`${admin}/connections`)).json();
    const { id } = list.connections.find((one) => one.peer.endsWith(`:${victim.port}`));
    const foreign = await (await browser.newContext()).newPage();
    await foreign.goto(shop);
    const got = await foreign.evaluate(async ([base, number]) => {
      const attempt = (work) => work.then((answer) => `answer ${answer.status}`, () => 'nothing');
      const listening = () => new Promise((resolve, reject) => {
        const events = new EventSource(`${base}/events`);
        events.onmessage = resolve;
        events.onerror = () => { events.close(); reject(); };
      });
      const close = `${base}/connections/${number}/close`;
      return Promise.all([
        attempt(fetch(`${base}/status.json`)),
        attempt(fetch(close, { method: 'POST', headers: { 'x-cyclone-admin': '1' } })),
        attempt(fetch(close, { method: 'POST', mode: 'no-cors' })).then((text) => text.replace('answer 0', 'nothing')),
        attempt(listening()),
      ]);
    }, [admin, id]);
    assert.deepEqual(got, ['nothing', 'nothing', 'nothing', 'nothing']);
    const after = await (await page.request.get(`${admin}/connections`)).json();
    assert(after.connections.some((one) => one.id === id), 'a foreign page closed a connection');
  } finally {
    await browser.close();
    fs.rmSync(profile, { recursive: true, force: true });
  }
  console.log('admin/browser.cjs ok');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
