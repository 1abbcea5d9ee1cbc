// Keeps a page up to date: asks for it again, and changes only what differs in it. Without it the page is the same, as of when it was asked for.
"use strict";
(() => {
  const soon = 2000, later = 15000, patience = 10000;
  const still = document.getElementById("still"), lost = document.getElementById("lost");
  let timer = 0, asking = false;

  // What people look at, point at or have opened stays the same element wherever that can be.
  function bring(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) return old.replaceWith(fresh);
    if (old.nodeType !== Node.ELEMENT_NODE) { old.data = fresh.data; return; }
    for (const { name } of [...old.attributes]) if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
    const had = [...old.childNodes], come = [...fresh.childNodes];
    if (had.length === come.length) had.forEach((child, at) => bring(child, come[at]));
    else old.replaceChildren(...come);
  }

  function show(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const focused = document.activeElement?.id;
    const log = document.getElementById("lines");
    const atEnd = log !== null && log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
    document.title = fresh.title;
    for (const part of fresh.querySelectorAll("[data-live]")) {
      const old = document.getElementById(part.id);
      if (old !== null) bring(old, part);
    }
    if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
    if (atEnd) end();
  }

  function end() {
    const log = document.getElementById("lines");
    if (log !== null) log.scrollTop = log.scrollHeight;
  }

  async function ask() {
    if (asking) return;
    asking = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(patience) });
      if (answer.status === 404) { location.reload(); return; }
      if (!answer.ok) throw new Error(answer.statusText);
      show(await answer.text());
      lost.textContent = "";
    } catch {
      lost.textContent = "The bot doesn't answer; this is what was known before. It is asked again by itself.";
    } finally {
      asking = false;
      wait();
    }
  }

  function wait() {
    clearTimeout(timer);
    if (document.hidden || still.getAttribute("aria-pressed") === "true") return;
    timer = setTimeout(ask, document.querySelector("[data-runs]") === null ? later : soon);
  }

  still.addEventListener("click", () => {
    const paused = still.getAttribute("aria-pressed") !== "true";
    still.setAttribute("aria-pressed", String(paused));
    if (paused) wait(); else ask();
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden) wait(); else ask(); });
  document.getElementById("follows").hidden = false;
  end();
  wait();
})();
