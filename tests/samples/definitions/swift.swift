import Foundation
@testable import App

/// A request.
///
/// - Parameter url: where to.
@available(iOS 13, *)
public final class Request: Base, Sendable {
    var url: URL

    /// Makes one.
    public init(url: URL) {
        self.url = url
    }

    deinit { cancel() }

    @discardableResult
    func resume() -> Self {
        // only once
        task.resume()
        return self
    }
}

struct Point {
    var x = 0
}

enum State {
    case idle
    func next() -> State { .idle }
}

protocol Resumable {
    func resume()
}

extension String {
    func trimmed() -> String {
        trim(self)
    }
}

func globalHelper<T>(_ x: T) -> T { x }

final class RequestTests: XCTestCase {
    func testResume() {
        XCTAssertTrue(Request(url: u).resume().ok)
    }
}
