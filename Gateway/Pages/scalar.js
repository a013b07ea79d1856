// What the API reference does with a login: it keeps the token in this tab and sends it with every call that carries none.
import { AUTHORITIES, forget, keep, known, refreshed } from './session.js';

// The reference's own token field stays empty while the token is sent from here: its hint says so.
let hint;
function giveHint() {
  for (const field of document.querySelectorAll('input.scalar-password-input')) if (field.placeholder !== hint) field.placeholder = hint;
}

new MutationObserver(giveHint).observe(document.body, { childList: true, subtree: true });

function show() {
  const names = Object.keys(AUTHORITIES).flatMap(who => known(who)?.name ?? []);
  hint = names.length ? `sent for you, as ${names.join(' or ')}` : 'sign in above, or paste one';
  giveHint();
  document.getElementById('session').textContent = names.length ? `Signed in as ${names.join(' and ')}; calls carry the token` : 'Not signed in';
  document.getElementById('sign-out').hidden = names.length === 0;
}

document.getElementById('sign-out').addEventListener('click', () => {
  Object.keys(AUTHORITIES).forEach(forget);
  show();
});

// The shop belongs to customers, all else to users; orders are shown to both.
function callerOf(path) {
  if (/^\/api\/v1\/(auth|customers|products|carts)\b/.test(path)) return 'customer';
  return /^\/api\/v1\/sales\/orders\b/.test(path) && !known('user') ? 'customer' : 'user';
}

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
    if (answer.ok) {
      keep(login, (await sent.json())[AUTHORITIES[login].name], await answer.clone().json());
      show();
    }

    return answer;
  }

  // A token that was typed in goes first; without one the reference sends none, or a word in its place.
  const who = callerOf(url.pathname);
  if (!known(who) || /^Bearer \S+\.\S+\.\S+$/.test(request.headers.get('Authorization') ?? '')) return fetch(request);
  const { token } = known(who), again = request.clone(), answer = await fetch(withToken(request, who));
  // When it cannot be renewed just now, the 401 stands.
  return answer.status === 401 && await refreshed(who, token).catch(() => false) ? fetch(withToken(again, who)) : answer;
}

document.documentElement.lang = 'en';
show();
export default { customFetch: call };
