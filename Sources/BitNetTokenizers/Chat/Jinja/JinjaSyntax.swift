/// What is wrong with a template, and in which line.
struct JinjaFailure: Error {
    let line: Int
    let detail: String
}

/// An expression of a template, with its height as a tree, which is limited: templates come from
/// files, and evaluation recurses.
struct JinjaExpression: Sendable {
    static let maximumHeight = 64

    /// What an expression is made of.
    indirect enum Node: Sendable {
        case literal(JinjaValue)
        case name(String)
        case list([JinjaExpression])
        case tuple([JinjaExpression])
        case dictionary([(key: JinjaExpression, value: JinjaExpression)])
        case negative(JinjaExpression)
        case positive(JinjaExpression)
        case not(JinjaExpression)
        case and(JinjaExpression, JinjaExpression)
        case or(JinjaExpression, JinjaExpression)
        case binary(JinjaOperator, JinjaExpression, JinjaExpression)
        case comparison(JinjaExpression, [(JinjaComparison, JinjaExpression)])
        /// The operands of `~`.
        case concatenation([JinjaExpression])
        /// `then if condition else otherwise`.
        case conditional(JinjaExpression, then: JinjaExpression, otherwise: JinjaExpression?)
        case filter(JinjaExpression, JinjaCall)
        case test(JinjaExpression, JinjaCall, isNegated: Bool)
        case attribute(JinjaExpression, String)
        case item(JinjaExpression, JinjaExpression)
        case slice(
            JinjaExpression, start: JinjaExpression?, stop: JinjaExpression?,
            step: JinjaExpression?)
        case call(JinjaExpression, JinjaArguments)
    }

    let node: Node
    let height: Int
    let line: Int
}

enum JinjaOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "**"
}

enum JinjaComparison: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case isIn = "in"
    case isNotIn = "not in"
}

/// The arguments of a call.
struct JinjaArguments: Sendable {
    var positional: [JinjaExpression] = []
    var named: [(name: String, value: JinjaExpression)] = []
    /// What `*` spreads over more arguments in order; at most one.
    var spread: [JinjaExpression] = []
    /// What `**` spreads over more arguments by name; at most one.
    var namedSpread: [JinjaExpression] = []

    var all: [JinjaExpression] { positional + named.map(\.value) + spread + namedSpread }
}

/// A filter or a test by its name.
struct JinjaCall: Sendable {
    let name: String
    let arguments: JinjaArguments
    let line: Int
}

/// What a value is assigned to.
indirect enum JinjaTarget: Sendable {
    case name(String)
    /// `namespace.attribute`.
    case attribute(String, String)
    case tuple([JinjaTarget])

    /// The names that are assigned to.
    var names: [String] {
        switch self {
        case .name(let name): [name]
        case .attribute: []
        case .tuple(let targets): targets.flatMap(\.names)
        }
    }
}

/// A statement of a template.
indirect enum JinjaStatement: Sendable {
    case text(String)
    case output(JinjaExpression)
    case set(JinjaTarget, JinjaExpression)
    /// `set x ... endset`: what the body writes, filtered.
    case capture(JinjaTarget, [JinjaCall], [JinjaStatement], line: Int)
    /// `filter x ... endfilter`.
    case filter([JinjaCall], [JinjaStatement])
    case branch([(condition: JinjaExpression, body: [JinjaStatement])], otherwise: [JinjaStatement])
    case loop(JinjaLoop)
    case macro(JinjaMacro)
    /// `call(...) f(...) ... endcall`: the body is the macro `caller`.
    case call(JinjaMacro, JinjaExpression)
    case with([(target: JinjaTarget, value: JinjaExpression)], [JinjaStatement])
    /// A body in its own place: `generation ... endgeneration`.
    case block([JinjaStatement])
    case endLoop
    case nextTurn
}

/// A `for` statement.
struct JinjaLoop: Sendable {
    let target: JinjaTarget
    let items: JinjaExpression
    let condition: JinjaExpression?
    let body: [JinjaStatement]
    let otherwise: [JinjaStatement]
    /// Whether `loop(items)` runs the body again over other items.
    let isRecursive: Bool
    let line: Int
}

/// A `macro` statement.
struct JinjaMacro: Sendable {
    let name: String
    let parameters: [(name: String, initial: JinjaExpression?)]
    let body: [JinjaStatement]
    /// Which of `varargs`, `kwargs` and `caller` the body names: it has them only then.
    let extras: Set<String>
    let line: Int
}
