-- A plugin manager.
local util = require("lazy.util")

---@class Manager
---@field name string
local M = {}

--- Loads a plugin.
---@param name string
function M.load(name)
  -- cheap
  return util.find(name, "function fake() end")
end

function M:reload(name)
  self:unload(name)
end

local function helper(x)
  return x
end

M.stop = function(self)
  self.timer:close()
end

local run = function() return helper(1) end

describe("manager", function()
  it("loads", function()
    assert.same(1, M.load("a"))
  end)
end)

return {
  setup = function(opts)
    M.load(opts)
  end,
}
