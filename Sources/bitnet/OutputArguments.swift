import ArgumentParser

/// What is printed beside results.
struct OutputArguments: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Print results, warnings and errors only.")
    var quiet = false
}

/// A command that can be told to print nothing beside results.
protocol QuietableCommand: ParsableCommand {
    var output: OutputArguments { get }
}
