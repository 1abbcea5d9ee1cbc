// What is wrong with a page, as lines: controls without a name, text that is hard to read, text outside of every landmark, things too small to hit.
() => {
  const found = [];
  const told = (element) => `${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : ""} "${element.textContent.trim().slice(0, 40)}"`;
  const seen = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest("svg, .unseen, .to-content");

  const channels = (color) => color.match(/[\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = channels(color).slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const clear = (color) => channels(color)[3] === 0;
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!clear(color)) return color;
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? "rgb(0, 0, 0)" : "rgb(255, 255, 255)";
  };
  const apart = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };

  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !seen(element)) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const contrast = apart(style.color, ground(element));
    if (contrast < (large ? 3 : 4.5)) found.push(`contrast ${contrast.toFixed(2)}: ${told(element)}`);
    if (size < 11) found.push(`text of ${size} px: ${told(element)}`);
    if (!element.closest("main, header, nav, footer")) found.push(`outside of every landmark: ${told(element)}`);
  }

  for (const element of document.querySelectorAll("a, button, summary, progress, [tabindex='0'], [role='region'], table, nav")) {
    if (!element.checkVisibility()) continue;
    const speaks = !["PROGRESS", "TABLE", "NAV", "PRE"].includes(element.tagName) && element.getAttribute("role") !== "region";
    const name = element.getAttribute("aria-label") || (speaks && element.textContent.trim());
    const ours = !element.closest("#report");
    if (!name && (ours || element.tagName !== "TABLE")) found.push(`without a name: ${told(element)}`);
    const box = element.getBoundingClientRect();
    const inText = getComputedStyle(element).display === "inline";
    if (["A", "BUTTON", "SUMMARY"].includes(element.tagName) && !inText && !element.matches(".to-content") && box.height < 24) found.push(`${box.height} px high: ${told(element)}`);
  }

  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) found.push(`${wide} px wider than the window`);
  for (const tag of document.querySelectorAll(".tag, .status")) if (!/[a-z0-9]{3}/.test(tag.textContent)) found.push(`a state without a word: ${told(tag)}`);
  return found;
}
