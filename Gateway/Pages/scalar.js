// What the API reference does with a login: it keeps the token in this tab and sends it with every call that carries none.
const AUTHORITIES = {
  customer: { login: '/api/v1/auth/login', refresh: '/api/v1/auth/refresh', name: 'email' },
  user: { login: '/api/v1/users/login', refresh: '/api/v1/users/refresh', name: 'username' },
};
const key = who => `microplatform.${who}`;
const known = who => JSON.parse(sessionStorage.getItem(key(who)) ?? 'null');

function keep(who, name, tokens) {
  sessionStorage.setItem(key(who), JSON.stringify({ name, token: tokens.accessToken, refresh: tokens.refreshToken }));
  show();
}

function show() {
  const names = Object.keys(AUTHORITIES).flatMap(who => known(who)?.name ?? []);
  document.getElementById('session').textContent = names.length ? `Signed in as ${names.join(' and ')}; calls carry the token` : 'Not signed in';
  document.getElementById('sign-out').hidden = names.length === 0;
}

document.getElementById('sign-out').addEventListener('click', () => {
  for (const who of Object.keys(AUTHORITIES)) sessionStorage.removeItem(key(who));
  show();
});

// The shop belongs to customers, all else to users; orders are shown to both.
function callerOf(path) {
  if (/^\/api\/v1\/(auth|customers|products|carts)\b/.test(path)) return 'customer';
  return /^\/api\/v1\/sales\/orders\b/.test(path) && !known('user') ? 'customer' : 'user';
}

async function refresh(who) {
  const { name, refresh } = known(who);
  const answer = await fetch(AUTHORITIES[who].refresh, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ refreshToken: refresh }) });
  const tokens = answer.ok && await answer.json();
  if (!tokens || known(who)?.refresh !== refresh) return false; // refused, or signed out meanwhile
  keep(who, name, tokens);
  return true;
}

// Once for all calls that wait for it: a refresh token that is sent twice ends its session.
const refreshing = {};
const refreshed = who => refreshing[who] ??= refresh(who).finally(() => delete refreshing[who]);

const withToken = (request, who) => {
  request.headers.set('Authorization', `Bearer ${known(who).token}`);
  return request;
};

async function call(input, init) {
  const request = new Request(input, init), url = new URL(request.url);
  if (url.origin !== location.origin || !url.pathname.startsWith('/api/')) return fetch(request);
  const login = Object.keys(AUTHORITIES).find(who => AUTHORITIES[who].login === url.pathname.replace(/\/$/, ''));
  if (login) {
    const sent = request.clone(), answer = await fetch(request);
    if (answer.ok) keep(login, (await sent.json())[AUTHORITIES[login].name], await answer.clone().json());
    return answer;
  }

  // A token that was typed in goes first; without one the reference sends none, or a word in its place.
  const who = callerOf(url.pathname);
  if (!known(who) || /^Bearer \S+\.\S+\.\S+$/.test(request.headers.get('Authorization') ?? '')) return fetch(request);
  const { token } = known(who), again = request.clone(), answer = await fetch(withToken(request, who));
  return answer.status === 401 && known(who) && (known(who).token !== token || await refreshed(who)) ? fetch(withToken(again, who)) : answer;
}

document.documentElement.lang = 'en';
show();
export default { customFetch: call };
