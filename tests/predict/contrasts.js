// Texts and bars of a review page with too little contrast: [what, ratio] where 4.5 : 1 is wanted.
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ratio = (a, b) => {
    const [x, y] = [light(rgb(a)), light(rgb(b))].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const back = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (rgb(colour)[3] > 200) return colour;
    }
    return "white";
  };
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    const written = [...e.childNodes].some((one) => one.nodeType === Node.TEXT_NODE && one.data.trim());
    if (!written || !e.checkVisibility() || e.matches(":disabled, script")) continue;
    found.push([e.textContent.trim().slice(0, 30), ratio(getComputedStyle(e).color, back(e))]);
  }
  const written = found.length;
  for (const { fill, text } of paint) {
    found.push([`text on ${fill}`, ratio(text, fill)]);
    for (const on of ["card", "row", "chosen"]) found.push([`${fill} on ${on}`, 1.5 * ratio(fill, colours[on])]);  // bars: 3 : 1
  }
  return { written, poor: found.filter(([, contrast]) => contrast < 4.5) };
})()
