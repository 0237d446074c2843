"""What a page shows to weak eyes, and tells to who listens: questions to a browser."""

# Texts whose colour is too near to what they stand on (WCAG 2.2, 1.4.3).
PALE = r"""() => {
  const canvas = document.createElement("canvas");
  const paint = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const over = (top, under) =>
    [0, 1, 2].map((i) => under[i] + (top[i] - under[i]) * top[3] / 255);
  const ground = (element) => {
    const around = element.parentElement;
    const below = around ? ground(around) : [255, 255, 255];
    return over(rgba(getComputedStyle(element).backgroundColor), below);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((part) => part / 255)
      .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim();
    const element = texts.currentNode.parentElement;
    const seen = { checkOpacity: true, checkVisibilityCSS: true };
    if (!text || !element.checkVisibility(seen)) continue;
    if (element.closest(".material-symbols-outlined, script, style, option")) continue;
    const style = getComputedStyle(element);
    const paper = ground(element);
    const pair = [light(over(rgba(style.color), paper)), light(paper)];
    const contrast = Math.max(...pair) / Math.min(...pair);
    const large = parseFloat(style.fontSize) >= 24;
    if (contrast < (large ? 3 : 4.5)) found.push(`${text} (${contrast.toFixed(2)})`);
  }
  return found;
}"""

# What can be pressed or filled in, and has no name.
NAMELESS = r"""() => {
  const words = (element) => {
    const copy = element.cloneNode(true);
    copy.querySelectorAll("[aria-hidden=true]").forEach((one) => one.remove());
    return copy.textContent.trim();
  };
  const all = "a[href], button, input:not([type=hidden]), select, textarea,"
    + " [role=button]";
  return [...document.querySelectorAll(all)].filter((element) =>
    element.checkVisibility() && !words(element) && !element.ariaLabel && !element.title
    && !element.hasAttribute("aria-labelledby") && !element.value
    && ![...element.labels || []].some(words)
  ).map((element) => element.outerHTML.slice(0, 200));
}"""

# Icons are words of a font: read aloud, they are noise.
SPOKEN_ICONS = """() => [...document.querySelectorAll(".material-symbols-outlined")]
  .filter((icon) => !icon.closest("[aria-hidden=true]") && !icon.ariaLabel)
  .map((icon) => icon.outerHTML)"""
