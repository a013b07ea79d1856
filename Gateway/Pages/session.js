// Who is signed in: in this tab, on every page of it, and gone with it. A duplicated tab starts with a copy of the session.
export const AUTHORITIES = {
  customer: { login: '/api/v1/auth/login', refresh: '/api/v1/auth/refresh', name: 'email' },
  user: { login: '/api/v1/users/login', refresh: '/api/v1/users/refresh', name: 'username' },
};
const key = who => `microplatform.${who}`;
const save = (who, session) => sessionStorage.setItem(key(who), JSON.stringify(session));
const newId = () => crypto.getRandomValues(new Uint32Array(4)).join('-');

export const known = who => JSON.parse(sessionStorage.getItem(key(who)) ?? 'null');
export const keep = (who, name, tokens) =>
  save(who, { id: newId(), renewals: 0, name, token: tokens.accessToken, refresh: tokens.refreshToken });
export const forget = who => sessionStorage.removeItem(key(who));
export const post = (path, body) => fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });

// Tabs with the same session tell each other of its newest tokens: when one has renewed them, and when one asks.
const tabs = new BroadcastChannel('microplatform.sessions');
let heard = () => {};
tabs.onmessage = ({ data: { who, session, asks } }) => {
  const mine = known(who);
  if (mine?.id !== session.id) return;
  if (session.renewals > mine.renewals) {
    save(who, session);
    heard();
  } else if (asks && mine.renewals > session.renewals) {
    tabs.postMessage({ who, session: mine });
  }
};

// A tab may have missed a renewal: it was loading or asleep, or the news is still on its way.
const ask = who => new Promise(resolve => {
  heard = resolve;
  setTimeout(resolve, 500);
  if (known(who)) tabs.postMessage({ who, session: known(who), asks: true });
});

async function refresh(who, spent) {
  await ask(who);
  const session = known(who);
  if (!session || session.token !== spent) return session !== null; // signed out, or renewed by another tab
  const answer = await post(AUTHORITIES[who].refresh, { refreshToken: session.refresh });
  if (answer.status >= 429) throw new Error('The session cannot be renewed just now'); // which says nothing about the session
  const tokens = answer.ok && await answer.json(), now = known(who);
  if (now?.id !== session.id || now.token !== spent) return now?.id === session.id; // as above, meanwhile
  if (!tokens) return false;
  const renewed = { ...session, renewals: session.renewals + 1, token: tokens.accessToken, refresh: tokens.refreshToken };
  save(who, renewed);
  tabs.postMessage({ who, session: renewed });
  return true;
}

// Once for all that wait for it, one tab at a time: a refresh token that is sent again later ends its session.
const inTurn = run => navigator.locks ? navigator.locks.request('microplatform.refresh', run) : run(); // no locks over plain HTTP from afar
const refreshing = {};
export const refreshed = (who, spent) => refreshing[who] ??= inTurn(() => refresh(who, spent)).finally(() => delete refreshing[who]);
