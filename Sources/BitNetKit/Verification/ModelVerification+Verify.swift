internal import Dispatch
public import Foundation

extension ModelVerification {
    /// Checks a GGUF file or a Hugging Face folder: reads all of it, loads the model and runs it.
    ///
    /// - Parameters:
    ///   - url: what `BitNetModel.load(_:options:progress:)` takes.
    ///   - options: what to load with; zeros are never left out here, and the LM head is as stored.
    ///   - record: what the model should compute, for the last check.
    ///   - progress: called with what is done next.
    /// - Returns: a result for every check; what cannot be checked, for example because an earlier
    ///   check has failed, is skipped with the reason.
    /// - Throws: `BitNetError` where the file is not there or cannot be read, `.cancelled`,
    ///   `.outOfMemory`, `.invalidArgument` and `.kernelUnavailable` for options.
    public static func verify(
        _ url: URL, options: LoadOptions = LoadOptions(), against record: ModelRecord? = nil,
        progress: (@Sendable (String) -> Void)? = nil
    ) async throws(BitNetError) -> ModelVerification {
        let cancellation = Cancellation()
        let result = await cancellation.follow {
            await withCheckedContinuation { done in
                DispatchQueue.global(qos: .userInitiated).async {
                    done.resume(
                        returning: Swift.Result { () throws(BitNetError) in
                            try ModelVerification(
                                url, options, record, progress ?? { _ in }
                            ) { cancellation.isRequested }
                        })
                }
            }
        }
        return try result.get()
    }

    private init(
        _ url: URL, _ options: LoadOptions, _ record: ModelRecord?,
        _ progress: @escaping @Sendable (String) -> Void, isCancelled: @escaping () -> Bool
    ) throws(BitNetError) {
        self.init(path: url.path)
        var options = options
        options.sparsity = .off
        options.lmHead = .asStored
        let compute = try options.compute
        let reason = try run(
            url, options, compute, record, progress, isCancelled: isCancelled)
        // In the order of the checks, whatever could not be made.
        let found = results
        results = Check.allCases.map { check in
            found.first { $0.check == check }
                ?? Result(check: check, outcome: .skipped, detail: reason, figures: [:])
        }
    }

    /// Returns why checks that left no result were not made.
    private mutating func run(
        _ url: URL, _ options: LoadOptions, _ compute: Compute, _ record: ModelRecord?,
        _ progress: @escaping @Sendable (String) -> Void, isCancelled: @escaping () -> Bool
    ) throws(BitNetError) -> String {
        let checkpoint: Checkpoint
        do throws(BitNetError) { checkpoint = try Checkpoint(opening: url.path) } catch {
            try fail(.structure, error)
            return "the file cannot be opened"
        }
        var result = self
        defer { self = result }
        var scaleDoubt: ScaleDoubt?
        let model = try checkpoint.reading { () throws(BitNetError) -> BitNetModel? in
            guard
                var verifier = try FileVerifier(
                    checkpoint, compute, i2sOrder: options.i2sOrder, into: &result,
                    progress: progress)
            else { return nil }
            if result.hasPassed { try verifier.readAll(into: &result, isCancelled) }
            scaleDoubt = verifier.scaleDoubt
            guard result.hasPassed else { return nil }
            progress("loading")
            do throws(BitNetError) {
                return try BitNetModel(checkpoint, options: options)
            } catch {
                try result.fail(.structure, error)
                return nil
            }
        }
        guard let model else { return "the file is damaged" }
        try result.checkTokenizer(model)
        try result.checkTemplate(model)
        do throws(BitNetError) {
            try result.checkMeaning(
                model, doubt: scaleDoubt, progress: progress, isCancelled: isCancelled)
            try result.checkKernels(model, progress: progress, isCancelled: isCancelled)
            progress("computing the fingerprint")
            try result.checkFingerprint(model, against: record, isCancelled: isCancelled)
        } catch .corruptTensor(let tensor, let detail) {
            // Finite weights that make numbers overflow.
            try result.fail(.values, .corruptTensor(tensor: tensor, detail: detail))
        }
        return "the model does not compute"
    }
}
