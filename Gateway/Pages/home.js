// The living parts of the page: the health of the services, and the board for staff.
import { AUTHORITIES, forget, keep, known, post, refreshed } from './session.js';

const byId = id => document.getElementById(id);
const WORDS = { Ready: 'ready', Degraded: 'partly ready', Unready: 'not ready', Down: 'does not answer' };

function make(tag, attributes, ...children) {
  const svg = ['svg', 'g', 'rect', 'line', 'text', 'title'].includes(tag);
  const element = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Announced by screen readers only when it says something else.
function say(element, text, state) {
  if (element.textContent !== text) element.textContent = text;
  if (state !== undefined) element.dataset.state = state;
}

// Runs while the page is looked at, and again when it is looked at again: a hidden tab holds no connection.
function whileVisible(run) {
  let stop;
  const update = () => {
    if (document.hidden) stop?.abort();
    else if (!stop || stop.signal.aborted) run((stop = new AbortController()).signal);
  };
  document.addEventListener('visibilitychange', update);
  update();
  return () => {
    document.removeEventListener('visibilitychange', update);
    stop?.abort();
  };
}

// How often what is not streamed is asked for, in seconds.
const PERIOD = 5;

const pause = (seconds, signal) => new Promise(resolve => {
  const timer = setTimeout(resolve, seconds * 1000);
  signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); });
});

// ---- Health ----

const SHAPES = { ready: 'M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z', degraded: 'M0-7L7 6H-7z', unready: 'M0-7L7 6H-7z', down: 'M-6-6H6V6H-6z' };

function showHealth(health) {
  for (const { name, status, ready, replicas } of health.services) {
    const state = status.toLowerCase();
    const some = replicas > 1 && ready > 0 ? ` (${ready} of ${replicas})` : '';
    for (const row of document.querySelectorAll(`[data-service=${name}] .state`)) say(row, WORDS[status] + some, state);
    const node = document.querySelector(`[data-node=${name}]`);
    if (!node) continue;
    node.dataset.state = state;
    const label = node.querySelector('text'), mark = node.querySelector('path');
    mark.setAttribute('d', SHAPES[state]);
    mark.setAttribute('transform', `translate(${label.getAttribute('x') - 18} ${label.getAttribute('y') - 6})`);
  }

  const ill = health.services.filter(service => service.status !== 'Ready');
  const names = ill.map(service => service.name[0].toUpperCase() + service.name.slice(1)).join(', ');
  byId('overall').classList.add('state');
  if (ill.length === 0) say(byId('overall'), `All ${health.services.length} services are ready`, 'ready');
  else say(byId('overall'), `${health.services.length - ill.length} of ${health.services.length} services are ready; not so: ${names}`, ill.some(service => service.status === 'Down') ? 'down' : 'degraded');
}

function lostHealth(why) {
  byId('overall').classList.add('state');
  say(byId('overall'), `${why}; trying again`, 'down');
  for (const row of document.querySelectorAll('[data-service] .state')) say(row, 'unknown', 'unknown');
}

whileVisible(async signal => {
  while (!signal.aborted) {
    try {
      const answer = await fetch('/health/services', { signal });
      if (answer.ok) showHealth(await answer.json());
      else lostHealth(`The Gateway answers ${answer.status}`);
    } catch {
      if (!signal.aborted) lostHealth('The Gateway does not answer');
    }

    await pause(PERIOD, signal);
  }
});

// ---- Session ----

let leave = () => {};

function showSignIn(message = '') {
  leave();
  forget('user');
  byId('live').hidden = true;
  byId('sign-in').hidden = false;
  say(byId('sign-in-error'), message);
}

byId('sign-in').addEventListener('submit', async event => {
  event.preventDefault();
  const form = event.target, { username, password } = form.elements, button = form.querySelector('button');
  button.disabled = true;
  say(byId('sign-in-error'), '');
  try {
    const answer = await post(AUTHORITIES.user.login, { username: username.value, password: password.value });
    const body = await answer.json();
    if (answer.ok) {
      keep('user', username.value, body);
      password.value = '';
      showBoard(true);
    } else {
      say(byId('sign-in-error'), body.detail ?? body.title);
      password.focus();
    }
  } catch {
    say(byId('sign-in-error'), 'The Gateway does not answer; try again shortly.');
  } finally {
    button.disabled = false;
  }
});

byId('sign-out').addEventListener('click', () => {
  const session = known('user');
  showSignIn();
  byId('sign-in').elements.username.focus();
  if (session) post('/api/v1/users/logout', { refreshToken: session.refresh }).catch(() => {});
});

// ---- Board ----

const count = new Intl.NumberFormat();
const money = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' });
let waits = {}, charted;

function figure(name, text) {
  const element = document.querySelector(`[data-figure=${name}]`);
  if (element.textContent === text) return;
  if (element.textContent !== '–' && !['lag', 'wait'].includes(name)) {
    element.classList.remove('changed');
    void element.offsetWidth; // so that the animation starts anew
    element.classList.add('changed');
  }

  element.textContent = text;
}

function age(since) {
  if (!since) return '0 s';
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(since)) / 1000));
  return seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function chart(days) {
  if (charted === JSON.stringify(days)) return;
  charted = JSON.stringify(days);
  const width = 640, height = 200, foot = 24, top = Math.max(...days.map(each => each.revenue));
  const step = width / days.length, scale = top > 0 ? (height - foot - 22) / top : 0;
  const total = days.reduce((sum, each) => sum + each.revenue, 0);
  const svg = make('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `Bars of the revenue of ${days.length} days, ${money.format(total)} in all; the numbers are in the table below.` });
  svg.append(make('line', { x1: 0, x2: width, y1: height - foot, y2: height - foot }));
  const bars = make('g', { class: 'bars' });
  days.forEach((each, i) => {
    const tall = Math.max(2, each.revenue * scale), x = i * step + 5, label = day.format(new Date(each.day));
    bars.append(make('rect', { x, y: height - foot - tall, width: step - 10, height: tall, class: each.revenue > 0 ? 'some' : 'none' }, make('title', {}, `${label}: ${money.format(each.revenue)}`)));
    if (i % 4 === 1) svg.append(make('text', { x: x + step / 2 - 5, y: height - 6, 'text-anchor': 'middle' }, label));
    if (each.revenue === top && top > 0 && days.findIndex(other => other.revenue === top) === i) {
      const anchor = i < 2 ? 'start' : i > days.length - 3 ? 'end' : 'middle';
      svg.append(make('text', { x: i < 2 ? x : i > days.length - 3 ? x + step - 10 : x + step / 2 - 5, y: height - foot - tall - 7, 'text-anchor': anchor }, money.format(top)));
    }
  });
  svg.append(bars);
  byId('chart').replaceChildren(svg);
  say(byId('revenue-total'), total > 0 ? `${money.format(total)} in all` : 'nothing sold yet');
  byId('days').replaceChildren(...days.map(each => make('tr', {}, make('td', {}, each.day), make('td', {}, count.format(each.orders)), make('td', {}, money.format(each.revenue)))));
}

// Most orders are settled between two looks: each is first shown as Pending, which it was, and then as what it has become.
const ARRIVAL = 1500;
const settled = orders => orders.confirmed + orders.rejected + orders.cancelled;
let shown, latest, arrival;

function showOrders(orders) {
  latest = orders;
  const pending = shown && latest ? latest.pending + settled(latest) - settled(shown) : 0;
  if (pending > (latest?.pending ?? 0)) {
    present({ ...shown, pending });
    arrival ??= setTimeout(() => {
      arrival = undefined;
      present(latest);
    }, ARRIVAL);
  } else if (!arrival) {
    present(latest);
  }
}

function present(orders) {
  shown = orders;
  for (const name of ['confirmed', 'pending', 'rejected', 'cancelled']) figure(name, orders ? count.format(orders[name]) : '–');
}

function showFigures(board) {
  showOrders(board.orders);
  figure('unsent', board.events ? count.format(board.events.unsent) : '–');
  const dead = board.deadLetters;
  figure('dead', dead ? count.format(dead.items.length) + (dead.nextCursor ? '+' : '') : '–');
  byId('dead').replaceChildren(...(dead?.items ?? []).slice(0, 3).map(letter => make('li', {}, `${letter.queue}: ${letter.event}${letter.orderId ? ` of order ${letter.orderId}` : ''}: ${letter.reason}`)));
  waits = board.events ?? {};
  showWaits();
  if (board.days) chart(board.days);
  byId('low').closest('table').hidden = !board.lowStock?.items.length;
  if (board.lowStock) {
    byId('low').replaceChildren(...board.lowStock.items.map(item => make('tr', {}, make('td', {}, item.name), make('td', {}, item.sku), make('td', {}, count.format(item.quantity)))));
  }

  say(byId('low-note'), !board.lowStock ? 'Unknown while the warehouse does not answer.' : !board.lowStock.items.length ? 'Nothing does: every item has more than 5 free pieces.' : board.lowStock.nextCursor ? 'And more of them.' : '');
  say(byId('missing'), board.unavailable.length ? `Without ${board.unavailable.join(' and ')}: no answer from there, so that part is missing or old.` : '');
}

function showWaits() {
  figure('lag', 'unsent' in waits ? age(waits.oldestUnsentAt) : '–');
  figure('wait', 'unsent' in waits ? age(waits.oldestPendingAt) : '–');
}

// EventSource sends no headers, so the stream is read by hand.
async function* events(body) {
  let text = '';
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const blocks = (text + part.value.replaceAll('\r', '')).split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const fields = block.split('\n').map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
      yield { type: fields.find(([name]) => name === 'event')?.[1], data: fields.filter(([name]) => name === 'data').map(([, value]) => value).join('\n') };
    }
  }
}

// One window of a browser streams, as over HTTP/1.1 all of them share six connections; the others ask every few seconds.
const asStreamer = run => navigator.locks
  ? navigator.locks.request('microplatform.board', { ifAvailable: true }, lock => run(lock !== null))
  : run(false);

async function watch(signal) {
  const end = why => signal.aborted || showSignIn(why);
  let failures = 0, token, renewed, refusal = '', streamsAgainAt = 0;
  const ask = path => fetch(`/api/v1/overview/board${path}`, { headers: { Authorization: `Bearer ${token}` }, signal });

  async function look(mayStream) {
    if (mayStream && Date.now() >= streamsAgainAt) {
      const answer = await ask('/stream');
      if (answer.ok) return follow(answer);
      if (answer.status === 401 || answer.status === 403) return answer;
      refusal = answer.status === 429 ? 'Too many live views are open; ' : `No live view (${answer.status}); `;
      streamsAgainAt = Date.now() + 1000 * (Number(answer.headers.get('Retry-After')) || 60);
    }

    const answer = await ask('');
    if (answer.ok) {
      showFigures(await answer.json());
      say(byId('link'), refusal ? `${refusal}updated every ${PERIOD} s` : `Updated every ${PERIOD} s`, refusal ? 'degraded' : 'ready');
    }

    return answer;
  }

  async function follow(answer) {
    [renewed, refusal] = [undefined, ''];
    for await (const { type, data } of events(answer.body)) {
      failures = 0;
      if (type === 'expired') return new Response(null, { status: 401 });
      if (type === 'board') {
        showFigures(JSON.parse(data));
        say(byId('link'), 'Live', 'ready');
      }
    }

    throw new Error('The stream has ended');
  }

  shown = undefined;
  while (!signal.aborted) {
    let wait = Math.min(15, 2 ** failures++), trouble = '';
    token = known('user')?.token;
    try {
      const answer = await asStreamer(look);
      if (answer.ok) {
        [failures, renewed, wait] = [0, undefined, PERIOD];
      } else if (answer.status === 401) {
        if (token === renewed || !await refreshed('user', token)) return end('Your session has ended; sign in again.');
        [renewed, wait] = [known('user').token, 0];
      } else if (answer.status === 403) {
        return end('This account is not staff; the board is for staff only.');
      } else {
        trouble = `The Gateway answers ${answer.status}`;
        wait = Number(answer.headers.get('Retry-After')) || wait;
      }
    } catch {
      trouble = 'The Gateway does not answer';
    }

    if (signal.aborted) return;
    if (trouble) say(byId('link'), `${trouble}; trying again`, 'degraded');
    await pause(wait, signal);
  }
}

function showBoard(focus) {
  byId('sign-in').hidden = true;
  byId('live').hidden = false;
  say(byId('who'), known('user').name);
  say(byId('link'), 'Connecting', 'unknown');
  const stopWatching = whileVisible(watch), ticking = setInterval(showWaits, 1000);
  leave = () => {
    stopWatching();
    clearInterval(ticking);
    leave = () => {};
  };
  if (focus) byId('sign-out').focus();
}

if (known('user')) showBoard(false);
else byId('sign-in').hidden = false;
