// What every view has to have: names for what can be used, one main heading, letters that can be read, no scroll to the side.
() => {
  const found = [];
  const shown = (node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const named = (node) => (node.getAttribute('aria-label') || node.textContent || node.labels?.[0]?.textContent || node.title || '').trim()
    || document.getElementById(node.getAttribute('aria-labelledby') ?? '')?.textContent;
  for (const node of document.querySelectorAll('a, button, input, select, [role=img], [role=progressbar], [role=meter], [role=region], nav, dialog')) {
    if (shown(node) && !named(node)) found.push('no name: ' + node.outerHTML.slice(0, 120));
  }
  if (document.querySelectorAll('main h1').length !== 1) found.push('not one main heading');
  const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
  if (new Set(ids).size !== ids.length) found.push('an id comes twice');
  for (const node of document.querySelectorAll('[aria-labelledby]')) {
    if (!document.getElementById(node.getAttribute('aria-labelledby'))) found.push('labelled by nothing');
  }
  const width = document.documentElement;
  if (width.scrollWidth > width.clientWidth) found.push('wider than the screen: ' + width.scrollWidth);
  const channels = (text) => {
    const numbers = text.match(/-?[0-9.]+(e-?[0-9]+)?/g).map(Number);
    const scaled = text.startsWith('color(') ? numbers.slice(0, 3).map((n) => n * 255) : numbers.slice(0, 3);
    return [...scaled, numbers.length > 3 ? numbers[3] : 1];
  };
  const behind = (node) => {
    const layers = [];
    for (let each = node; each; each = each.parentElement) layers.push(channels(getComputedStyle(each).backgroundColor));
    return layers.reverse().reduce((below, [r, g, b, a]) => [r, g, b].map((c, i) => c * a + below[i] * (1 - a)), [255, 255, 255]);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !shown(node) || node.closest('svg, noscript, :disabled, .skip')) continue;
    const [front, back] = [light(channels(getComputedStyle(node).color)), light(behind(node))];
    const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (contrast < 4.5) found.push(`contrast ${contrast.toFixed(2)}: ${texts.currentNode.data.trim().slice(0, 40)}`);
  }
  return found;
}
