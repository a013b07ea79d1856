// Who is signed in: in this tab, on every page of it, and gone with it.
export const AUTHORITIES = {
  customer: { login: '/api/v1/auth/login', refresh: '/api/v1/auth/refresh', name: 'email' },
  user: { login: '/api/v1/users/login', refresh: '/api/v1/users/refresh', name: 'username' },
};
const key = who => `microplatform.${who}`;

export const known = who => JSON.parse(sessionStorage.getItem(key(who)) ?? 'null');
export const keep = (who, name, tokens) => sessionStorage.setItem(key(who), JSON.stringify({ name, token: tokens.accessToken, refresh: tokens.refreshToken }));
export const forget = who => sessionStorage.removeItem(key(who));
export const post = (path, body) => fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });

async function refresh(who) {
  const session = known(who);
  if (!session) return false;
  const answer = await post(AUTHORITIES[who].refresh, { refreshToken: session.refresh });
  if (answer.status >= 429) throw new Error('The session cannot be renewed just now'); // which says nothing about the session
  const tokens = answer.ok && await answer.json();
  if (!tokens || known(who)?.refresh !== session.refresh) return false; // refused, or signed out meanwhile
  keep(who, session.name, tokens);
  return true;
}

// Once for all that wait for it: a refresh token that is sent twice ends its session.
const refreshing = {};
export const refreshed = who => refreshing[who] ??= refresh(who).finally(() => delete refreshing[who]);
