/* What hands do on a canvas: press and pull, wheel, pinch with two fingers or a touch pad. Positions are CSS pixels of the canvas. */

const MOVED_PX = 3; // less is a click
const NOTCH = 50; // a wheel turns by such steps and more, a touch pad by smaller ones
const PAD_STEP = 24; // of a touch pad, for one slice
const WHEEL_ZOOM = 0.0022;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{press: Function, scroll: Function, zoom: Function, pan: Function, hover: Function, leave: Function}} actions
 *   `press({x, y, button, shift, isTouch})` answers with what the pull does: {move({x, y, dx, dy}), end({x, y, isMoved}), cancel()}
 */
export function wireGestures(canvas, actions) {
  const fingers = new Map();
  let pull = null;
  let isMoved = false;
  let begun = null;
  let turned = 0;

  const place = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };

  canvas.addEventListener("pointerdown", (event) => {
    const at = place(event);
    fingers.set(event.pointerId, at);
    canvas.setPointerCapture(event.pointerId);
    if (fingers.size === 2) {
      pull?.cancel?.();
      pull = null;
    } else if (fingers.size === 1) {
      begun = at;
      isMoved = false;
      pull = actions.press({ ...at, button: event.button, shift: event.shiftKey, isTouch: event.pointerType === "touch" });
    }
  });

  canvas.addEventListener("pointermove", (event) => {
    const at = place(event);
    const before = fingers.get(event.pointerId);
    if (!before) {
      actions.hover(at.x, at.y);
      return;
    }
    if (fingers.size === 2) {
      pinch(event.pointerId, before, at);
    } else if (pull) {
      isMoved ||= Math.hypot(at.x - begun.x, at.y - begun.y) > MOVED_PX;
      if (isMoved) pull.move?.({ ...at, dx: at.x - before.x, dy: at.y - before.y });
      else return; // the first steps count once it is a pull
    }
    fingers.set(event.pointerId, at);
  });

  function pinch(id, before, at) {
    const other = [...fingers.entries()].find(([one]) => one !== id)[1];
    const apart = (one) => Math.hypot(one.x - other.x, one.y - other.y);
    actions.pan((at.x - before.x) / 2, (at.y - before.y) / 2);
    if (apart(before) > 0) actions.zoom(apart(at) / apart(before), (at.x + other.x) / 2, (at.y + other.y) / 2);
  }

  canvas.addEventListener("pointerup", (event) => {
    const at = place(event);
    fingers.delete(event.pointerId);
    const ended = pull;
    pull = null;
    ended?.end?.({ ...at, isMoved });
  });

  canvas.addEventListener("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    pull?.cancel?.();
    pull = null;
  });

  canvas.addEventListener("pointerleave", () => fingers.size || actions.leave());
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const amount = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * NOTCH;
      if (event.ctrlKey || event.metaKey) {
        const { x, y } = place(event);
        actions.zoom(Math.exp(-amount * WHEEL_ZOOM), x, y);
        return;
      }
      const steps = wheelSteps(amount);
      if (steps) actions.scroll(steps);
    },
    { passive: false },
  );

  /** One slice for a notch of a wheel; the small steps of a touch pad add up. */
  function wheelSteps(amount) {
    if (Math.abs(amount) >= NOTCH) {
      turned = 0;
      return Math.sign(amount);
    }
    turned += amount;
    const steps = Math.trunc(turned / PAD_STEP);
    turned -= steps * PAD_STEP;
    return steps;
  }
}
