import { expect, test } from "vitest";
import { Cart } from "./cart";

const memory = () => {
  const held = new Map<string, string>();
  return { getItem: (key: string) => held.get(key) ?? null, setItem: (key: string, value: string) => held.set(key, value) };
};

test("a second line of the same article raises the count", () => {
  const cart = new Cart(memory() as Storage);
  cart.addLine({ article: "apple", count: 1, price: 50 });
  cart.addLine({ article: "apple", count: 2, price: 50 });
  expect(cart.subtotal()).toBe(150);
});

test("the cart survives a reload of the page", () => {
  const storage = memory() as Storage;
  new Cart(storage).addLine({ article: "pear", count: 1, price: 80 });
  expect(new Cart(storage).subtotal()).toBe(80);
});
