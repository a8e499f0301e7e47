'use strict';

// Does in a fresh clone of the current commit what its README promises, and
// counts each promise: `npm start` sets itself up and serves page and echo, a
// port in use is explained, and an interrupt ends it cleanly.

const assert = require('assert');
const { execFileSync, spawn } = require('child_process');
const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const WebSocket = require('ws');

const { ROOT } = require('./setup');

const START_LIMIT_MS = 5 * 60 * 1000;

let passed = 0;
let failed = 0;

async function check(name, body) {
  try {
    await body();
    passed += 1;
  } catch (err) {
    failed += 1;
    console.log(`${name}\n${err.stack}\n`);
  }
}

/** Runs npm start; `line` settles with the first match, or when it ends. */
function npmStart(cwd, args) {
  const child = spawn('npm', ['start', '--loglevel=error', '--', ...args], {
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const job = { child, output: '' };
  const timer = setTimeout(() => killGroup(child, 'SIGKILL'), START_LIMIT_MS);
  job.ended = new Promise((resolve) => {
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve(code);
    });
  });
  job.line = new Promise((resolve, reject) => {
    const read = (chunk) => {
      job.output += chunk;
      const match = /Open (http:\S+)/.exec(job.output);
      if (match !== null) resolve(match[1]);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    job.ended.then((code) => {
      reject(new Error(`npm start ended (${code}):\n${job.output}`));
    });
  });
  job.line.catch(() => {});
  return job;
}

function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch (err) {
    if (err.code !== 'ESRCH') throw err;
  }
}

function get(url) {
  return new Promise((resolve, reject) => {
    const req = http.get(url, (res) => {
      let body = '';
      res.on('data', (chunk) => {
        body += chunk;
      });
      res.on('end', () => resolve({ status: res.statusCode, body }));
    });
    req.on('error', reject);
  });
}

/** Sends one text message and resolves once it has come back. */
function echo(url, text) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url);
    ws.on('open', () => ws.send(text));
    ws.on('message', (data) => {
      if (String(data) === text) ws.close();
    });
    ws.on('error', reject);
    ws.on('close', (code) => {
      if (code === 1005) resolve();
      else reject(new Error(`closed with ${code}`));
    });
  });
}

async function checkClone(clone) {
  const server = npmStart(clone, ['--port', '0']);
  let url;
  await check('npm start sets a fresh clone up and listens', async () => {
    url = await server.line;
  });
  if (url === undefined) return;
  await check('the page is served', async () => {
    const { status, body } = await get(url);
    assert.strictEqual(status, 200);
    assert.match(body, /<title>/);
  });
  await check('a message comes back', () =>
    echo(`${url.replace('http', 'ws')}ws`, 'a message'),
  );
  await check('a port in use is explained, without a stack', async () => {
    const second = npmStart(clone, ['--port', new URL(url).port]);
    assert.strictEqual(await second.ended, 1);
    assert.match(second.output, /Port \d+ .* is in use/);
    assert.doesNotMatch(second.output, /^\s+at /m);
  });
  await check('an interrupt ends it with exit code 0', async () => {
    killGroup(server.child, 'SIGINT');
    assert.strictEqual(await server.ended, 0);
  });
  killGroup(server.child, 'SIGKILL');
}

async function main() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'ws-upgrade-start-'));
  try {
    execFileSync('git', ['clone', '--quiet', ROOT, dir]);
    await checkClone(dir);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

main();
