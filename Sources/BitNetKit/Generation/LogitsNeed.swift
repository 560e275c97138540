/// Which logits the next choice looks at.
enum LogitsNeed: Sendable, Hashable {
    /// All of them.
    case all
    /// The largest few, ties included; others may be -infinity.
    case top(Int)
}

extension GenerationOptions {
    /// What the sampler looks at. Everything but greedy and top-k choices needs the whole
    /// distribution.
    var logitsNeeded: LogitsNeed {
        if topLogProbabilities != nil { return .all }
        var top = 1
        if case .random(let temperature, let topK, _, _, _) = sampling, temperature > 0 {
            guard let topK else { return .all }
            top = topK
        }
        if let factor = repetitionPenalty, factor != 1 {
            // A penalty above 1 lowers at most the window's tokens: behind them as many more are
            // enough. One below 1 can raise any token to the top.
            guard factor > 1, let window = repetitionWindow else { return .all }
            top = top.addingReportingOverflow(window).overflow ? .max : top + window
        }
        return top <= HeadScan.largestTop ? .top(top) : .all
    }
}

extension TokenSource {
    /// Says what the choices to come look at; a source may leave out other logits (-infinity).
    func setLogitsNeeded(_ need: LogitsNeed) {}
}
