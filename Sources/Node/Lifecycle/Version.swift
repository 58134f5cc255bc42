import CVersion

/// What this program is. The one place where the version is written; CHANGELOG.md says what it brought.
package enum Version {
    package static let number = "0.2.0"

    /// The commit it was built from, 12 hexadecimal digits, with a `+` behind them if the sources had been changed since.
    package static var commit: String { String(cString: carillon_commit) }

    /// `0.2.0 (b06cfff12345)`
    package static var text: String { "\(number) (\(commit))" }
}
