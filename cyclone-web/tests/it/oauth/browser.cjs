// Logs in at the provider in Chromium, and prints the text of the page where that ends.
'use strict';

const { chromium } = require('playwright-core');

const [url] = process.argv.slice(2);

async function main() {
  const browser = await chromium.launch({
    executablePath: process.env.CYCLONE_TEST_CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  try {
    const page = await browser.newPage();
    await page.goto(url);
    await page.fill('input[name=login]', 'ada');
    await page.fill('input[name=password]', 'any');
    await Promise.all([page.waitForNavigation(), page.click('button[type=submit]')]);
    // What the application may know.
    await Promise.all([page.waitForURL('**/inbox*'), page.click('button[type=submit]')]);
    process.stdout.write(await page.evaluate(() => document.body.textContent.trim()));
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
