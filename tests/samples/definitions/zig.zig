//! Reads arguments.
const std = @import("std");
const mem = std.mem;

/// A parser of arguments.
pub const Parser = struct {
    index: usize = 0,

    /// Next argument.
    pub fn next(self: *Parser) ?[]const u8 {
        // "fn fake() void {}"
        return mem.trim(u8, self.raw());
    }

    const Inner = enum {
        a,
        b,

        fn flip(self: Inner) Inner {
            return self;
        }
    };
};

const Kind = enum { long, short };

pub fn List(comptime T: type) type {
    return struct {
        items: []T,

        pub fn push(self: *@This(), item: T) !void {
            try self.append(item);
        }
    };
}

fn helper() void {}

test "next argument" {
    try std.testing.expectEqual(1, helper());
}
