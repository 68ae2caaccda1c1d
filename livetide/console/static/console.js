// Keeps the page's content fresh while it is looked at: the same page again, its content swapped in.
// Without this script everything works by reloading.
"use strict";
const content = document.getElementById("content");
const every = Number(content.dataset.refresh || 0);
const busy = () =>
  document.hidden ||
  content.contains(document.activeElement) ||
  [...content.querySelectorAll("video, audio")].some((player) => !player.paused || player.currentTime > 0);
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone; // the server writes UTC; without this script it stays so
const two = (number) => String(number).padStart(2, "0");
function localise(root) {
  for (const time of zone ? root.querySelectorAll("time[datetime]") : []) {
    const at = new Date(time.dateTime);
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    time.textContent = `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  }
}
async function refresh() {
  if (busy()) return;
  const answer = await fetch(location.href, { headers: { "x-refresh": "1" } }).catch(() => null);
  if (!answer) return;
  if (answer.redirected) { location.reload(); return; }
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("content");
  if (!fresh) return;
  localise(fresh);
  const open = [...content.querySelectorAll("details")].map((one) => one.open);
  fresh.querySelectorAll("details").forEach((one, at) => { one.open = Boolean(open[at]); });
  if (!busy() && fresh.innerHTML !== content.innerHTML) content.innerHTML = fresh.innerHTML;
}
localise(content);
if (zone) document.getElementById("zone").textContent = zone;
if (every) setInterval(refresh, every * 1000);
