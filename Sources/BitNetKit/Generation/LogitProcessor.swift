/// Changes the logits of the next token, before one is chosen.
///
/// It is given the tokens so far, prompt and response, and one logit per token of the vocabulary,
/// to be changed in place; minus infinity makes a token impossible. It is called once for each
/// token of the response, in order, also when tokens are speculated on. It runs after the logit
/// bias and the penalties, and before a grammar, the temperature and what follows it, which is
/// where Hugging Face calls custom logits processors.
///
/// ```swift
/// let fullStop = 13
/// let options = GenerationOptions(maximumResponseTokens: 100)
/// // No full stop in the first ten tokens.
/// let result = try await model.generate(
///     tokens: prompt, options: options,
///     processors: [
///         { tokens, logits in
///             if tokens.count < prompt.count + 10 { logits[fullStop] = -.infinity }
///         }
///     ])
/// ```
///
/// A logit that is NaN or plus infinity afterwards is a `BitNetError.invalidArgument`.
public typealias LogitProcessor =
    @Sendable (_ tokens: [Int], _ logits: inout MutableSpan<Float>) -> Void
