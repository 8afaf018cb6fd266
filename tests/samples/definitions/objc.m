// Copyright 2020
#import <Foundation/Foundation.h>
#import "Store.h"

/** A store of items. */
@interface Store : NSObject <NSCopying>
@property (nonatomic) NSString *name;
/// Finds an item.
- (id)find:(NSString *)key orElse:(id)other;
@end

@protocol Closable
- (void)close;
@end

@implementation Store

/// Finds it.
- (id)find:(NSString *)key orElse:(id)other {
    // slowly
    return [self.items objectForKey:key];
}

+ (instancetype)shared {
    return [[self alloc] init];
}

- (void)testFind {
    XCTAssert([self find:@"- (void)fake {}" orElse:nil]);
}

@end

static int helper(int x) {
    return compute(x);
}
