// Keeps an open page true: it is asked for again, and the regions that changed take the place of the old ones.
// Without this script everything works by loading the page anew.
"use strict";

const stale = document.querySelector("[data-stale]");
const main = document.querySelector("main");
let timer = 0;

function isBusy(region) {
  const chosen = getSelection();
  return !chosen.isCollapsed && chosen.containsNode(region, true);
}

function replace(old, fresh) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  old.replaceChildren(...fresh.childNodes);
  if (focused) {
    const same = (one) => one.tagName === focused.tagName && one.getAttribute("href") === focused.getAttribute("href");
    [...old.querySelectorAll("a, button")].find(same)?.focus({ preventScroll: true });
  }
}

async function refresh() {
  const answer = await fetch(location.href, { cache: "no-store" });
  if (answer.redirected) { // the session has ended
    location.reload();
    return;
  }
  if (!answer.ok) {
    throw new Error(String(answer.status));
  }
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  addLocalTimes(fresh);
  const now = fresh.querySelector("main");
  if (now.dataset.state !== main.dataset.state) { // another state brings other actions, and perhaps a player
    location.reload();
    return;
  }
  for (const old of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(old.id);
    if (next && next.innerHTML !== old.innerHTML && !isBusy(old)) {
      replace(old, next);
    }
  }
  main.dataset.refreshS = now.dataset.refreshS;
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(tick, 1000 * main.dataset.refreshS);
}

async function tick() {
  if (document.hidden) { // visibilitychange wakes it
    return;
  }
  try {
    await refresh();
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
  later();
}

if (main.dataset.refreshS) {
  later();
  document.addEventListener("visibilitychange", () => document.hidden || tick());
}

// The page says times in UTC, as the log does; behind each stands the same in the reader's own time zone.
function addLocalTimes(where) {
  const shown = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of where.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (at.getTimezoneOffset() === 0) {
      continue;
    }
    const local = where.createElement("span");
    local.className = "local";
    local.textContent = shown.format(at);
    time.after(" ", local);
    where.querySelector("[data-local-note]").hidden = false;
  }
}

addLocalTimes(document);

// The URL behind a player lives 15 minutes. When it fails after playing, a fresh one goes on at the same place.
for (const player of document.querySelectorAll("video, audio")) {
  let renewedAt = -Infinity;
  player.addEventListener("error", () => {
    const at = player.currentTime;
    if (at > 0 && performance.now() - renewedAt > 60_000) {
      renewedAt = performance.now();
      player.load();
      player.currentTime = at;
      player.play();
    } else {
      document.querySelector("[data-unplayable]").hidden = false;
    }
  });
}
