internal import BitNetKit
internal import Foundation

/// The data of a run: windows to train on, and what is held out, of the same text or of another.
struct RunData: TrainingSource {
    let training: TrainingData
    /// Takes the place of what `training` holds out.
    var validation: ValidationWindows?

    var tokenCount: Int { training.training.tokenCount }
    var vocabularySize: Int { training.file.vocabularySize }
    var fingerprint: String { training.fingerprint }

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
        var tokenizer = tokenizer
        if tokenizer == nil, let distillation = used.distillation {
            tokenizer = try self.tokenizer(of: distillation)
        }
        let source = tokenizer ?? url("tokenizer.json")
        let tokens = url("tokens.safetensors")
        let isWritten = isResumed && FileManager.default.fileExists(atPath: tokens.path)
        // Opened once: a pipe cannot be read again.
        let other = validationFiles.isEmpty ? nil : try TrainingCorpus(files: validationFiles)
        let corpus = isWritten ? nil : try trainingCorpus(without: other)
        if let corpus, tokenizer == nil, !isResumed {
            let trainer = BytePairTrainer(vocabularySize: configuration.shape.vocabularySize)
            try trainer.train(corpus) { event(.reading($0)) }.write(to: output)
        }
        let loaded = try Tokenizer.load(from: source)
        try check(loaded, against: teacher)
        let file: TokenFile
        if let corpus {
            file = try TokenFile.write(corpus, tokenizer: loaded, to: tokens) {
                event(.reading($0))
            }
        } else {
            file = try TokenFile(opening: tokens, tokenizer: loaded)
        }
        let context = used.shape.contextLength
        let isShared = validationFiles.isEmpty && heldOut > 0
        var data = RunData(
            training: try TrainingData(
                file, context: context, heldOut: isShared ? .share(heldOut) : .none,
                seed: used.seed))
        if let other {
            let text = try TokenFile(other, tokenizer: loaded)
            data.validation = try ValidationWindows(
                text, documents: (0..<Int32(text.documentCount)).map { $0 }, context: context)
        }
        return (source, data)
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
        return TrainingCorpus(documents: kept)
    }
}
