// Sign in: by one-time link or by token.
import { h } from "../vendor/preact.js";
import { useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { session, signIn } from "../store/session.js";
import { T } from "../text.js";

const html = htm.bind(h);

export function SignInPage() {
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    await signIn({ token: new FormData(event.target).get("token").trim() });
    setBusy(false);
  };
  const { error } = session.value;
  return html`<main class="signin card">
    <h1>${T.name}: ${T.signIn.title}</h1>
    <p class="quiet">${T.signIn.help}</p>
    <form onSubmit=${submit}>
      <input type="text" name="username" autocomplete="username" value=${T.name} hidden />
      <label for="token">${T.signIn.token}</label>
      <input id="token" name="token" type="password" autocomplete="current-password" required aria-describedby="signin-error" />
      <p id="signin-error" role="alert" class=${error ? "error" : ""}>${error}</p>
      <button class="main" disabled=${busy}>${busy ? T.signIn.busy : T.signIn.go}</button>
    </form>
    <p class="small quiet">${T.notDevice}</p>
  </main>`;
}
