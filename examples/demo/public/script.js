// Keeps the numbers beside each page ticking. Every look is a request like any other: answered on the spot while the token
// is fresh, and the one that renews it when it is not.
const parts = document.querySelectorAll("[data-live]");

async function look() {
  const answer = await fetch("/live.json", { headers: { Accept: "application/json" } });
  if (answer.status === 401 || answer.status === 403) return false;
  if (answer.ok) show(await answer.json());
  return true;
}

function show(live) {
  for (const part of parts) {
    const value = live[part.dataset.live];
    if (part instanceof HTMLProgressElement) part.value = value;
    else if (Array.isArray(value)) part.replaceChildren(...value.map(toItem));
    else part.textContent = String(value);
  }
}

function toItem(text) {
  const item = document.createElement("li");
  item.textContent = text;
  return item;
}

async function keepLooking() {
  // A tab in the background needs no numbers; whoever has signed out elsewhere needs none either.
  const goesOn = document.hidden || (await look().catch(() => true));
  if (goesOn) lookSoon();
}

function lookSoon() {
  setTimeout(() => void keepLooking(), 1000);
}

if (parts.length > 0) lookSoon();

// Menus close when attention goes elsewhere.
const menus = document.querySelectorAll("details.menu");
addEventListener("click", ({ target }) => {
  for (const menu of menus) if (!menu.contains(target)) menu.open = false;
});
addEventListener("keydown", ({ key }) => {
  if (key !== "Escape") return;
  for (const menu of menus) {
    if (menu.open && menu.contains(document.activeElement)) menu.querySelector("summary").focus();
    menu.open = false;
  }
});
