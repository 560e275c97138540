import ArgumentParser
import BitNetKit
import BitNetPlots
import BitNetSampleModel
import BitNetTraining
import Foundation

/// `bitnet train --compare-rounding`.
extension TrainCommand {
    func validateComparison() throws {
        let others = [
            ("--out", out != nil), ("--resume", resume), ("--time", time != nil),
            ("--teacher", more.teacher != nil), ("--tokenizer", tokenizer != nil),
            ("--validation", !validation.isEmpty),
        ]
        for (name, isGiven) in others where isGiven {
            throw ValidationError("\(name) has no meaning with --compare-rounding")
        }
    }

    func compare() async throws {
        let drawing = try plot.map { try PlotFile($0, isJSON: json) }
        var configuration = RoundingComparison.standardConfiguration
        if let config {
            configuration = try trainingConfiguration(config)
            if steps == nil {
                configuration.length = RoundingComparison.standardConfiguration.length
            }
        }
        if let steps { configuration.length = .steps(steps) }
        // JSON has standard error to itself, as in a training.
        if !json {
            Terminal.note(
                (data.isEmpty ? "the sample model writes \(Self.storyCount) stories, then " : "")
                    + "two networks learn the text: float and shadow weights")
        }
        let line = ProgressLine()
        defer { line.clear() }
        let text =
            data.isEmpty
            ? TrainingCorpus(documents: try await stories(line))
            : try TrainingCorpus(files: try data.map { try Terminal.textFile($0) })
        let result = try RoundingComparison.run(
            configuration, text: text, threads: threads
        ) { line.update("training two networks:", $0) }
        line.clear()
        try drawing?.write(result.plot.svg)
        try Terminal.write(json ? try Terminal.json(result) + "\n" : result.table)
    }

    /// What the sample model writes with some seeds: text that is always at hand, and always the same.
    private func stories(_ line: ProgressLine) async throws -> [String] {
        let count = Self.storyCount
        let model = try await BitNetModel.sample(options: LoadOptions(threads: threads))
        var stories: [String] = []
        for seed in 1...UInt64(count) {
            let options = GenerationOptions(
                sampling: .random(temperature: 0.9, seed: seed), maximumResponseTokens: 200)
            let opening = Self.openings[stories.count % Self.openings.count]
            let result = try await model.generate(opening, options: options)
            stories.append(opening + result.text)
            line.update("writing stories to learn:", Double(stories.count) / Double(count))
        }
        return stories
    }

    private static let storyCount = 800

    private static let openings = [
        "Once upon a time", "One day", "There was", "Lily", "Tom", "The",
    ]
}

extension RoundingComparison {
    /// The losses as a table, with what they mean.
    var table: String {
        var text = String(
            format: "%.2f M parameters, %@ of %d tokens; losses in nats per token of %d\n"
                + "held-out tokens; a network that knows nothing has %.3f\n",
            Double(parameters) / 1e6, counted(final.step, "step"),
            configuration.windowsPerStep * configuration.shape.contextLength, tokens, chance)
        text += "    step   float weights   the same rounded   shadow weights\n"
        for row in losses {
            text += String(
                format: "%8d %15.3f %18.3f %16.3f\n", row.step, row.float, row.rounded, row.shadow)
        }
        // What the float network has learnt, and how much of it the others have.
        let learnt = chance - final.float
        func share(_ loss: Double) -> String {
            String(format: "%.0f%%", max(0, (chance - loss) / learnt) * 100)
        }
        guard learnt > 0 else { return text }
        return text
            + "of what the float network has learnt, it keeps \(share(final.rounded)) when it is "
            + "rounded;\nthe one with shadow weights has \(share(final.shadow))\n"
    }
}
