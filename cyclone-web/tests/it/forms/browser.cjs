// Fills the form of a page in Chromium, sends it, and prints the text of the answer.
'use strict';

const fs = require('fs');
const { chromium } = require('playwright-core');

const [url, path, name] = process.argv.slice(2);

async function main() {
  const browser = await chromium.launch({
    executablePath: process.env.CYCLONE_TEST_CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  try {
    const page = await browser.newPage();
    await page.goto(url);
    await page.fill('input[name=\'na"me\']', ' Adé ');
    await page.fill('textarea', 'a\nb');
    await page.setInputFiles('input[name=photo]', [
      { name, mimeType: 'text/x-thing', buffer: fs.readFileSync(path) },
      { name: 'large.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(3000000, 'x') },
    ]);
    await Promise.all([page.waitForNavigation(), page.click('button')]);
    process.stdout.write(await page.evaluate(() => document.body.textContent));
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
