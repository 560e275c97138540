#if !CommandLine

import Foundation

/// The program of a build without swift-argument-parser: it only says how to get the other one.
///
/// Files that need the parser are inside `#if CommandLine`, the package trait that brings it.
@main
struct ProgramWithoutCommandLine {
    static func main() {
        Terminal.report(
            "error: this bitnet is a build without the package trait 'CommandLine'; "
                + "build it with default traits: swift build -c release")
        exit(1)
    }
}

#endif
