// Keeps the page's content fresh while it is looked at: the same page again, its content swapped in.
// Without this script everything works by reloading.
"use strict";
const content = document.getElementById("content");
const every = Number(content.dataset.refresh || 0);
const busy = () =>
  document.hidden ||
  content.contains(document.activeElement) ||
  [...content.querySelectorAll("video, audio")].some((player) => !player.paused || player.currentTime > 0);
async function refresh() {
  if (busy()) return;
  const answer = await fetch(location.href, { headers: { "x-refresh": "1" } }).catch(() => null);
  if (!answer) return;
  if (answer.redirected) { location.reload(); return; }
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("content");
  if (fresh && !busy() && fresh.innerHTML !== content.innerHTML) content.innerHTML = fresh.innerHTML;
}
if (every) setInterval(refresh, every * 1000);
