/// A regular expression of the kind that cuts texts into words.
///
/// Read are alternatives, groups `(?:...)` and `(?i:...)`, look-ahead `(?=...)` and `(?!...)`,
/// classes with categories such as `\p{L}`, the escapes `\s \d \w \r \n \t`, and the quantifiers
/// `* + ? {m,n}`, greedy or possessive. Alternatives are tried in order, as in Oniguruma. Anything
/// else is an error that shows it.
struct Expression: Sendable, Equatable {
    /// One step of the program that the expression is translated to.
    enum Instruction: Sendable, Equatable {
        /// Takes one character of a set.
        case take(ScalarSet)
        /// Goes on at the first, and if that fails at the second.
        case split(Int, Int)
        case jump(Int)
        /// Looks ahead with the program at the next instruction, then goes on at `next`.
        case look(wanted: Bool, next: Int)
        /// Runs the program at the next instruction without going back into it.
        case atomic(next: Int)
        /// The end of the expression, or of a part that is looked at by itself.
        case match
    }

    /// The text the expression was made from.
    let source: String
    let program: [Instruction]
    /// The number of each instruction that branches, among those that do.
    let branchNumbers: [Int]
    let branchCount: Int
    /// Whether it may match nothing at all.
    let mayBeEmpty: Bool

    /// The most instructions that the expressions of a tokenizer may have together, and how many of
    /// them may branch: a character takes so many steps at most. Published ones have up to 150 and
    /// 50.
    static let (longestProgram, mostBranches) = (1024, 256)

    /// Refuses expressions that are too long to be run on every text.
    ///
    /// - Throws: `BitNetError.tokenizer`.
    static func checkLength(of expressions: [Expression]) throws(BitNetError) {
        let length = expressions.reduce(0) { $0 + $1.program.count }
        let branches = expressions.reduce(0) { $0 + $1.branchCount }
        guard length <= longestProgram, branches <= mostBranches else {
            let what =
                expressions.count == 1
                ? "expression '\(expressions[0].source)'" : "the expressions together"
            throw .tokenizer(
                detail: "\(what): \(length) instructions with \(branches) branches are more than "
                    + "the \(longestProgram) and \(mostBranches) that are supported")
        }
    }

    /// Reads an expression.
    ///
    /// - Throws: `BitNetError.tokenizer` showing what is not understood.
    init(_ source: String) throws(BitNetError) {
        var parser = ExpressionParser(source)
        let node = try parser.parse()
        var program: [Instruction] = []
        node.compile(into: &program, limit: Self.longestProgram)
        program.append(.match)
        guard program.count <= Self.longestProgram else {
            throw .tokenizer(detail: "expression \(source.quoted) is too long")
        }
        // Such a part fails where it has come back to itself, though not always: what fails once
        // could not be left out later, and attempts from every place would be quadratic.
        guard !node.repeatsEmpty else {
            throw .tokenizer(
                detail: "expression \(source.quoted): something that may be empty is repeated "
                    + "without "
                    + "end, which is not supported; repeat what has at least one character")
        }
        self.source = source
        self.program = program
        mayBeEmpty = node.mayBeEmpty
        var numbers: [Int] = []
        var count = 0
        for instruction in program {
            numbers.append(count)
            if case .split = instruction { count += 1 }
        }
        branchNumbers = numbers
        branchCount = count
        try Self.checkLength(of: [self])
    }

    static func == (left: Self, right: Self) -> Bool { left.source == right.source }
}

/// A part of an expression.
indirect enum ExpressionNode {
    case set(ScalarSet)
    case sequence([ExpressionNode])
    case alternatives([ExpressionNode])
    case look(ExpressionNode, wanted: Bool)
    case atomic(ExpressionNode)
    /// Greedy repetition; without a maximum, endless.
    case repeated(ExpressionNode, minimum: Int, maximum: Int?)

    /// Whether the node may match nothing at all.
    fileprivate var mayBeEmpty: Bool {
        switch self {
        case .set: false
        case .look: true
        case .sequence(let parts): parts.allSatisfy(\.mayBeEmpty)
        case .alternatives(let parts): parts.contains(where: \.mayBeEmpty)
        case .atomic(let part): part.mayBeEmpty
        case .repeated(let part, let minimum, _): minimum == 0 || part.mayBeEmpty
        }
    }

    /// Whether something that may be empty is repeated without end.
    var repeatsEmpty: Bool {
        switch self {
        case .set: false
        case .look(let part, _), .atomic(let part): part.repeatsEmpty
        case .sequence(let parts), .alternatives(let parts): parts.contains(where: \.repeatsEmpty)
        case .repeated(let part, _, let maximum):
            maximum == nil && part.mayBeEmpty || part.repeatsEmpty
        }
    }

    /// Appends the program of the node; stops beyond `limit` instructions.
    func compile(into program: inout [Expression.Instruction], limit: Int) {
        guard program.count <= limit else { return }
        switch self {
        case .set(let set): program.append(.take(set))
        case .sequence(let parts): for part in parts { part.compile(into: &program, limit: limit) }
        case .alternatives(let parts): compile(parts, into: &program, limit)
        case .look(let part, let wanted):
            let start = program.count
            program.append(.match)
            part.compile(into: &program, limit: limit)
            program.append(.match)
            program[start] = .look(wanted: wanted, next: program.count)
        case .atomic(let part):
            let start = program.count
            program.append(.match)
            part.compile(into: &program, limit: limit)
            program.append(.match)
            program[start] = .atomic(next: program.count)
        case .repeated(let part, let minimum, let maximum):
            compile(part, minimum, maximum, into: &program, limit)
        }
    }

    private func compile(
        _ parts: [ExpressionNode], into program: inout [Expression.Instruction], _ limit: Int
    ) {
        var jumps: [Int] = []
        for part in parts.dropLast() {
            let start = program.count
            program.append(.match)
            part.compile(into: &program, limit: limit)
            jumps.append(program.count)
            program.append(.match)
            program[start] = .split(start + 1, program.count)
        }
        parts.last?.compile(into: &program, limit: limit)
        for jump in jumps { program[jump] = .jump(program.count) }
    }

    private func compile(
        _ part: ExpressionNode, _ minimum: Int, _ maximum: Int?,
        into program: inout [Expression.Instruction], _ limit: Int
    ) {
        for _ in 0..<minimum { part.compile(into: &program, limit: limit) }
        guard let maximum else {
            let start = program.count
            program.append(.match)
            part.compile(into: &program, limit: limit)
            program.append(.jump(start))
            program[start] = .split(start + 1, program.count)
            return
        }
        var splits: [Int] = []
        for _ in minimum..<max(minimum, maximum) {
            splits.append(program.count)
            program.append(.match)
            part.compile(into: &program, limit: limit)
        }
        for split in splits { program[split] = .split(split + 1, program.count) }
    }
}
