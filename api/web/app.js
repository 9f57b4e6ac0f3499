// The application: routes, the frame around every page, and what is said aloud.
import { h, render } from "./vendor/preact.js";
import { useEffect } from "./vendor/hooks.js";
import { effect, signal } from "./vendor/signals.js";
import htm from "./vendor/htm.js";
import { AlertsPage } from "./pages/alerts.js";
import { CameraPage } from "./pages/camera.js";
import { HomePage } from "./pages/home.js";
import { SignInPage } from "./pages/signin.js";
import { WearerPage } from "./pages/wearer.js";
import { ZonesPage } from "./pages/zones.js";
import { LinkState } from "./parts/link.js";
import { SystemBanner } from "./parts/system.js";
import { follow, onAlert, openAlerts, subjectName } from "./store/data.js";
import { connect, disconnect } from "./store/live.js";
import { begin, revoked, session, signOut } from "./store/session.js";
import { watchSystem } from "./store/system.js";
import { T } from "./text.js";

const html = htm.bind(h);
const path = signal(location.pathname);

function go(to) {
  history.pushState(null, "", to);
  path.value = to;
  document.querySelector("main")?.focus();
  scrollTo(0, 0);
}
addEventListener("popstate", () => { path.value = location.pathname; });
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/app']");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});

function page(at) {
  const wearer = at.match(/^\/app\/wearers\/([0-9a-f-]{36})$/);
  if (wearer) return html`<${WearerPage} key=${wearer[1]} id=${wearer[1]} />`;
  if (at === "/app/alerts") return html`<${AlertsPage} />`;
  const zone = at.match(/^\/app\/zones(?:\/([a-z0-9][a-z0-9-]{0,63}))?$/);
  if (zone) return html`<${ZonesPage} id=${zone[1] ?? null} />`;
  if (at === "/app/camera") return html`<${CameraPage} />`;
  if (at === "/app" || at === "/app/") return html`<${HomePage} />`;
  return html`<p class="card">${T.notFound} <a href="/app/">${T.nav.home}</a></p>`;
}

function Frame() {
  useEffect(() => {
    connect(revoked);
    const ends = [follow(), watchSystem()];
    return () => { ends.forEach((end) => end()); disconnect(); };
  }, []);
  const at = path.value;
  const open = openAlerts.value.length;
  const here = (to) => (at === to || (to === "/app/" && at === "/app") ? "page" : undefined);
  return html`
    <a class="skip" href="#main">${T.skip}</a>
    <header class="bar">
      <a class="brand" href="/app/">${T.name}</a>
      <nav aria-label="Main">
        <a href="/app/" aria-current=${here("/app/")}>${T.nav.home}</a>
        <a href="/app/alerts" aria-current=${here("/app/alerts")}>${T.nav.alerts}${open ? ` (${open})` : ""}</a>
        <a href="/app/zones" aria-current=${at.startsWith("/app/zones") ? "page" : undefined}>${T.nav.zones}</a>
        <a href="/app/camera" aria-current=${here("/app/camera")}>${T.nav.camera}</a>
      </nav>
      <div class="end"><${LinkState} /></div>
    </header>
    <${LinkState} banner />
    <${SystemBanner} />
    <main id="main" tabindex="-1">${page(at)}</main>
    <footer>
      <p>${T.notDevice}</p>
      <p>${session.value.me.name}${" "}<button class="plain" onClick=${signOut}>${T.signOut}</button></p>
    </footer>`;
}

function App() {
  const { state } = session.value;
  if (state === "unknown") return html`<p class="boot">${T.name}</p>`;
  return state === "in" ? html`<${Frame} />` : html`<${SignInPage} />`;
}

onAlert((alert, isNew) => {
  if (!isNew) return;
  const who = subjectName(alert.subject, alert.evidence);
  const place = document.getElementById(alert.priority === "high" ? "announce-high" : "announce");
  place.textContent = `${T.priority[alert.priority]}: ${who}. ${alert.title}. ${alert.reason}`;
});

effect(() => {
  const open = openAlerts.value.length;
  document.title = open ? `(${open}) ${T.name}` : T.name;
});

addEventListener("keydown", (event) => {
  if (event.target.closest?.("input, textarea, select, dialog") || event.metaKey || event.ctrlKey || event.altKey) return;
  const cards = [...document.querySelectorAll("[data-alert]")];
  const at = cards.indexOf(document.activeElement?.closest?.("[data-alert]"));
  if (event.key === "j" || event.key === "k") {
    const next = cards[Math.min(cards.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))];
    next?.focus();
  } else if (event.key === "a" && at >= 0) {
    cards[at].querySelector("[data-act=acknowledge]")?.click();
  } else if (event.key === "?") {
    document.getElementById("announce").textContent = T.keys;
    document.getElementById("keys")?.showModal();
  }
});

render(html`<${App} /><dialog id="keys"><p>${T.keys}</p><form method="dialog"><button>OK</button></form></dialog>`, document.getElementById("app"));
begin();
