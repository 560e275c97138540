internal import BitNetKit
internal import Foundation

/// The data of a run: windows to train on, and what is held out, of the same text or of another.
struct RunData: TrainingSource {
    let training: TrainingData
    /// Takes the place of what `training` holds out.
    var validation: ValidationWindows?

    var tokenCount: Int { training.training.tokenCount }
    var vocabularySize: Int { training.file.vocabularySize }
    var fingerprint: String {
        let other = validation.map { "-" + String($0.fingerprint, radix: 16) }
        return training.fingerprint + (other ?? "")
    }

    func windows(step: Int, count: Int, length: Int) throws(BitNetError) -> [[Int32]] {
        try training.windows(step: step, count: count, length: length)
    }

    func validationWindows(length: Int, limit: Int) throws(BitNetError) -> HeldOutWindows {
        guard let validation else {
            return try training.validationWindows(length: length, limit: limit)
        }
        return try validation.heldOut(limit: limit)
    }
}

extension TrainingRun {
    /// The tokenizer's place, and the tokens; both from an earlier run where it is resumed.
    func prepare(
        _ used: TrainingConfiguration, _ teacher: BitNetModel?, _ event: (Event) -> Void
    ) throws(BitNetError) -> (tokenizer: URL, data: RunData) {
        guard isResumed || !files.isEmpty else {
            throw .invalidArgument(name: "files", detail: "there are none; give text to learn from")
        }
        var tokenizer = tokenizer
        if tokenizer == nil, let distillation = used.distillation {
            tokenizer = try self.tokenizer(of: distillation)
        }
        let source = tokenizer ?? url("tokenizer.json")
        // Opened once: a pipe cannot be read again.
        let other = validationFiles.isEmpty ? nil : try TrainingCorpus(files: validationFiles)
        let corpus = files.isEmpty ? nil : try trainingCorpus(without: other)
        if let corpus, tokenizer == nil, !isResumed {
            let trainer = BytePairTrainer(vocabularySize: configuration.shape.vocabularySize)
            try trainer.train(corpus) { event(.reading($0)) }.write(to: output)
        }
        let loaded = try load(source)
        try check(loaded, against: teacher)
        let file = try tokens(of: corpus, loaded, event)
        let context = used.shape.contextLength
        let isShared = validationFiles.isEmpty && heldOut > 0
        var data = RunData(
            training: try TrainingData(
                file, context: context, heldOut: isShared ? .share(heldOut) : .none,
                seed: used.seed))
        if let other {
            let text: TokenFile
            do throws(BitNetError) { text = try TokenFile(other, tokenizer: loaded) } catch {
                guard case .invalidArgument(_, let detail) = error else { throw error }
                throw .invalidArgument(name: "validationFiles", detail: detail)
            }
            data.validation = try ValidationWindows(
                text, documents: (0..<Int32(text.documentCount)).map { $0 }, context: context)
        }
        return (source, data)
    }

    private func load(_ source: URL) throws(BitNetError) -> Tokenizer {
        guard !isResumed || FileManager.default.fileExists(atPath: source.path) else {
            throw .invalidArgument(
                name: "tokenizer",
                detail: "the training in \(output.path) did not make its own; give the one "
                    + "that it began with")
        }
        return try Tokenizer.load(from: source)
    }

    /// The tokens to train on: made of `corpus`, or those of the training that is resumed, of the same
    /// text if there is one.
    private func tokens(
        of corpus: TrainingCorpus?, _ tokenizer: Tokenizer, _ event: (Event) -> Void
    ) throws(BitNetError) -> TokenFile {
        let place = url("tokens.safetensors")
        guard isResumed, FileManager.default.fileExists(atPath: place.path) else {
            guard let corpus else {
                throw .invalidArgument(
                    name: "files",
                    detail: "the training in \(output.path) has lost its tokens; give its text")
            }
            return try TokenFile.write(corpus, tokenizer: tokenizer, to: place) {
                event(.reading($0))
            }
        }
        let file: TokenFile
        do throws(BitNetError) {
            file = try TokenFile(opening: place, tokenizer: tokenizer)
        } catch {
            guard case .tokenizer = error, self.tokenizer != nil else { throw error }
            throw .invalidArgument(
                name: "tokenizer",
                detail: "the training in \(output.path) began with another one; go on with that")
        }
        guard let corpus else { return file }
        let found = try TokenFile(corpus, tokenizer: tokenizer) { event(.reading($0)) }
        guard found.fingerprint == file.fingerprint else {
            throw .invalidArgument(
                name: "files",
                detail: "the training in \(output.path) began with other text; go on with that, "
                    + "which need not be given again, or begin anew in another folder")
        }
        return file
    }

    /// The text to train on, without what is held out.
    private func trainingCorpus(
        without other: TrainingCorpus?
    ) throws(BitNetError) -> TrainingCorpus {
        let corpus = try TrainingCorpus(files: files)
        guard let other else { return corpus }
        var heldOut: Set<String> = []
        try other.forEachDocument { (text, _) in
            heldOut.insert(text)
        }
        var kept: [String] = []
        try corpus.forEachDocument { (text, _) in
            if !heldOut.contains(text) { kept.append(text) }
        }
        guard !kept.isEmpty || heldOut.isEmpty else {
            throw .invalidArgument(
                name: "validationFiles",
                detail: "every document of \(corpus.name) is also in \(other.name): nothing is "
                    + "left to train on")
        }
        return TrainingCorpus(documents: kept)
    }
}
