import ArgumentParser
import BitNetKit

/// How many tokens a model sees at once, and how it remembers them.
struct ContextArguments: ParsableArguments {
    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init(
            "Tokens that are seen at once (default: as many as the model takes).", valueName: "n"))
    var context: Int?

    @OptionGroup
    var keysAndValues: KVCacheArgument

    var cache: KVCachePrecision { keysAndValues.kvCache }

    func validate() throws {
        if let context, !(1...1 << 24).contains(context) {
            throw ValidationError("--context: \(context) is not in 1...\(1 << 24)")
        }
    }
}
