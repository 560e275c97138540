import ArgumentParser

@main
struct BitNetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bitnet",
        abstract: "Run 1.58-bit language models on this machine's CPU.")
}
