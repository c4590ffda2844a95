"use strict";
// Fits a chart's specification, in place, to where it is shown.
globalThis.fitChart = (() => {
  // A finger that scrolls the page must not drag a chart along, so touch screens get charts that stay put.
  const still = (part) => {
    if (part.params) part.params = part.params.filter((one) => one.bind !== "scales");
    (part.layer || []).forEach(still);
  };

  // On a narrow screen a legend of several columns would be cut off.
  const narrow = (part) => {
    Object.values(part.encoding || {}).forEach(({ legend }) => { if (legend?.columns > 1) legend.columns -= 1; });
    (part.layer || []).forEach(narrow);
  };

  // Colours are chosen for paper; on a dark page, those too dark are mixed with white until they stand out.
  // Steps of an ordered scale stay distinct: each is lightened in proportion.  A quantitative scale keeps its colours.
  const partsOf = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  const bright = (parts) => parts.map((part) => part ** 2.2).reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const light = (colour, rise) => {
    let parts = partsOf(colour);
    const least = 0.16 + rise * bright(parts);
    while (bright(parts) < least) parts = parts.map((part) => part + 0.05 * (1 - part));
    return `#${parts.map((part) => Math.round(255 * part).toString(16).padStart(2, "0")).join("")}`;
  };
  const lightened = (range) => {
    if (!range.every((colour) => /^#[0-9a-f]{6}$/i.test(colour))) return range;
    const shades = range.map((colour) => bright(partsOf(colour)));
    const ordered = shades.length > 2 && shades.every((shade, at) => !at || shade > shades[at - 1]);
    return range.map((colour) => light(colour, ordered ? 1.6 : 0));
  };

  const lit = (part) => {
    const { scale, type } = part.encoding?.color || {};
    if (Array.isArray(scale?.range) && type !== "quantitative") scale.range = lightened(scale.range);
    (part.layer || []).forEach(lit);
  };

  const dark = matchMedia("screen and (prefers-color-scheme: dark)");

  return (specification, width) => {
    if (matchMedia("(pointer: coarse)").matches) still(specification);
    if (width < 440) narrow(specification);
    if (dark.matches) lit(specification);
  };
})();
