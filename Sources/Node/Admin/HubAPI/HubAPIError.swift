import HTTPTypes
import Hummingbird

/// What is not there, in the words of the service: its libraries tell by this header what is an answer and what is a failure
/// (`RestHubLifetimeManager` of Azure/azure-signalr).
enum HubAPIError: String {
    /// Somebody asked whether it is there, wanted to close it, or sent it something.
    case connectionGone = "Warning.Connection.NotExisted"
    /// It was to be changed.
    case noConnection = "Error.Connection.NotExisted"
    case noUser = "Warning.User.NotExisted"
    case noGroup = "Warning.Group.NotExisted"
    case noMember = "Info.User.NotInGroup"

    private static let header = "x-ms-error-code"

    var response: APIError {
        let message =
            switch self {
            case .connectionGone, .noConnection: "the hub has no such connection"
            case .noUser: "the user has no connection to the hub"
            case .noGroup: "the group has no connection of the hub"
            case .noMember: "the user is not in the group"
            }
        return APIError(status: .notFound, code: "not_found", message: message, headers: [Self.header: rawValue])
    }

    /// It is taken all the same.
    var accepted: Response {
        var response = Response(status: .accepted)
        if let name = HTTPField.Name(Self.header) { response.headers[name] = rawValue }
        return response
    }
}
