import ArgumentParser
import BitNetKit
import Foundation

/// The options of every command that computes.
struct ComputeArguments: ParsableArguments {
    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init("Number of threads (default: one per core).", valueName: "n"))
    var threads: Int?

    @OptionGroup(title: "Engine options", visibility: .hidden)
    var engine: EngineArguments

    func validate() throws { try checkThreads(threads) }
}

/// Refuses a number of threads that nothing computes with.
func checkThreads(_ threads: Int?) throws {
    if let threads, !(1...1024).contains(threads) {
        throw ValidationError("--threads: \(threads) is not in 1...1024")
    }
}

/// How the work is done; most of it changes speed and memory, and not one bit of a result.
struct EngineArguments: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: .init(
            "Instruction set of the kernels: \(kernelSets) (default: the fastest of them).",
            valueName: "name"),
        completion: .list(KernelSet.available.map(\.name)))
    var isa: String?

    @Option(
        parsing: .unconditional,
        help: .init(
            "Packed layout of the ternary matrices: \(layouts) (default: the fastest here).",
            valueName: "name"),
        completion: .list(TernaryLayout.allCases.map { $0.rawValue.lowercased() }),
        transform: Self.layout)
    var layout: TernaryLayout?

    @OptionGroup
    var i2s: I2SArguments

    @Option(
        parsing: .unconditional,
        help: .init(
            "How the LM head is held: \(heads) (default: as-stored).", valueName: "name"),
        completion: .list(LMHeadStorage.allCases.map(\.rawValue)),
        transform: Self.head)
    var head: LMHeadStorage?

    @Option(
        parsing: .unconditional,
        help: .init(
            "Whether feed-forward layers leave out zeros: automatic, off or always.",
            valueName: "mode"),
        completion: .list(["automatic", "off", "always"]),
        transform: Sparsity.argument)
    var sparsity = Sparsity.automatic

    @Flag(
        help: .init(
            """
            Leave embedding and LM head in the model's file, which nobody may then write to, \
            instead of copying them.
            """))
    var keepFileMapped = false

    private static let heads = LMHeadStorage.allCases.map(\.rawValue).joined(separator: ", ")
    private static let kernelSets = KernelSet.available.map(\.name).joined(separator: ", ")
    private static let layouts = TernaryLayout.allCases.map { $0.rawValue.lowercased() }
        .joined(separator: " or ")

    func validate() throws { try Self.checkKernels(isa) }

    /// Finds a kernel set that there is not before any work.
    static func checkKernels(_ isa: String?) throws {
        guard let isa else { return }
        do {
            _ = try KernelSet.named(isa)
        } catch {
            throw ValidationError("--isa: \(error)")
        }
    }

    static func layout(_ name: String) throws -> TernaryLayout {
        let known = TernaryLayout.allCases
        guard let layout = known.first(where: { $0.rawValue.lowercased() == name.lowercased() })
        else { throw ValidationError("'\(name)' is not \(layouts)") }
        return layout
    }

    static func head(_ name: String) throws -> LMHeadStorage {
        try head(name, others: "")
    }

    /// `others`: names that the caller knows besides, for the message.
    static func head(_ name: String, others: String) throws -> LMHeadStorage {
        guard let storage = LMHeadStorage(rawValue: name.lowercased()) else {
            throw ValidationError("'\(name)' is not one of \(heads)\(others)")
        }
        return storage
    }

    var options: LoadOptions {
        var options = LoadOptions()
        options.instructionSet = isa
        options.layout = layout
        if let order = i2s.order { options.i2sOrder = order }
        options.lmHead = head ?? .asStored
        options.sparsity = sparsity
        options.keepsFileMapped = keepFileMapped
        return options
    }
}

extension ComputeArguments {
    /// Loads a model and shows how far that is if it takes more than a second. What `needsText` also
    /// needs a tokenizer that works; what `usesTemplate` fails with what is wrong with the template.
    func load(
        _ path: String, needsText: Bool = true, usesTemplate: Bool = false
    ) async throws(FileError) -> BitNetModel {
        var options = engine.options
        options.threads = threads
        let line = ProgressLine()
        defer { line.clear() }
        let model = try await naming(path) { () async throws(BitNetError) in
            let model = try await BitNetModel.load(Terminal.url(path), options: options) {
                line.update("loading: \($0.phase.rawValue)", $0.fraction)
            }
            if needsText { _ = try model.tokenizer }
            return model
        }
        line.clear()
        let template = model.chatTemplate
        for warning in model.warnings {
            // The error that follows says the same.
            if usesTemplate, template?.isUsable == false, warning == template?.warning { continue }
            Terminal.warn(warning, about: path)
        }
        return model
    }
}

extension Sparsity {
    /// A mode by its name on the command line.
    static func argument(_ name: String) throws -> Sparsity {
        guard let sparsity = Sparsity(rawValue: name.lowercased()) else {
            throw ValidationError("'\(name)' is not automatic, off or always")
        }
        return sparsity
    }
}
