// A uPlot chart for as long as a component lives: made once, as wide as its place, drawn anew with every render.
import { useEffect, useRef } from "../vendor/hooks.js";
import uPlot from "../vendor/uplot.js";

/**
 * @param {(width: number) => object} options asked once, with the width of the place (px)
 * @param {any[][]} columns what is drawn: times (s), then a column for each series
 * @param {(chart: uPlot) => void} scale sets the scales after new data
 * @returns {{current: HTMLElement | null}} the ref of the element that holds it
 */
export function usePlot(options, columns, scale) {
  const place = useRef(null);
  const plot = useRef(null);
  useEffect(() => {
    const made = options(place.current.clientWidth);
    const chart = new uPlot(made, columns, place.current);
    plot.current = chart;
    const resize = new ResizeObserver(() => { if (place.current?.clientWidth) chart.setSize({ width: place.current.clientWidth, height: made.height }); });
    resize.observe(place.current);
    return () => { resize.disconnect(); chart.destroy(); };
  }, []);
  useEffect(() => {
    plot.current.batch(() => {
      plot.current.setData(columns, false);
      scale(plot.current);
    });
  });
  return place;
}
