/**
 * Licensed under the MIT License.
 */
'use strict';

import axios, { get as fetchIt } from 'axios';
const path = require('path');

/**
 * Joins two paths.
 *
 * @param {string} a first
 */
export default function join(a, b) {
  // nothing to escape
  return path.join(a, b); // "function fake() {}"
}

export const double = (x) => x * 2;

const table = {
  one: 1,
  two: 2,
};

class Store extends Base {
  #items = [];

  /** Adds an item. */
  add(item) {
    this.#items.push(item);
  }

  remove = (item) => {
    this.drop(item);
  };
}

Store.prototype.clear = function () {
  this.reset();
};

module.exports = {
  open(file) {
    return read(file);
  },
  close: function (file) {
    return file;
  },
};

(function (root) {
  function inner(x) {
    function deepest() {}
    return x;
  }
  root.inner = inner;
})(this);

describe('store', () => {
  beforeEach(() => {
    setup();
  });

  it('adds an item', async () => {
    const helper = () => 1;
    expect(new Store().add(helper)).toBe(1);
  });
});
