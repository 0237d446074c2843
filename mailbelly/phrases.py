"""Words of others, for the catalogue alone: nothing imports this.

What the packages around us show to staff and have no Dutch for, or Dutch that the
glossary refuses ("u", an article before any name). `make messages` finds the strings
here as if they were ours; without this file it would drop them as obsolete. Where a
package changes a sentence, tests/test_language.py tells.
"""

from django.utils.translation import gettext_noop as _
from django.utils.translation import ngettext

# What Django itself has no Dutch for yet.

ngettext(
    "This password is too short. It must contain at least %d character.",
    "This password is too short. It must contain at least %d characters.",
    2,
)

# Names of a model and of a field, in a sentence that begins with a capital each.

_("%(model_name)s with this %(field_label)s already exists.")

# django-unfold ships no translations at all.

_("Date from")
_("Date to")
_("From")
_("Not enough data.")
_("To")
_("Value")
_("Add row")
_("After you've created a user, you’ll be able to edit more user options.")
_("All applications")
_("Apply Filters")
_("Cancel")
_("Choose file to upload")
_("Click to cancel")
_("Click to download")
_("Dark")
_("Dataset not found. No action performed.")
_("Date")
_("Expand row")
_("False")
_("General")
_("Go back")
_("Image preview")
_("Light")
_("Loading more results...")
_("More actions")
_("Next")
_("No data")
_("No recent searches")
_("No results found")
_("No results matching your query")
_("Previous")
_(
    "Raw passwords are not stored, so there is no way to see this user’s password,"
    ' but you can change the password using <a href="{}" class="text-primary-600'
    ' dark:text-primary-500">this form</a>.'
)
_("Recent searches")
_("Record picture")
_("Reset filters")
_("Return to site")
_("Run")
_("Search apps and models...")
_("Select action")
_("Select action to run")
_("Select all rows")
_("Select currency")
_("Select record")
_("Select value")
_("Submit")
_("System")
_("This item will be deleted.")
_("This page yielded into no results. Create a new item or reset your filters.")
_("Toggle password visibility")
_("True")
_("Type to search")
_("Welcome")
_("Welcome back to")
_("You can not create nested object without parent")
_("You have been successfully logged out from the administration")
ngettext(
    "\n                Found %(counter)s result in %(time)s seconds\n            ",
    "\n                Found %(counter)s results in %(time)s seconds\n            ",
    2,
)

# django-q2: its tables, as the staff site shows them.

_("32-character task identifier.")
_("Arguments")
_("Attempt count")
_("Bimonthly")
_("Biweekly")
_("Cluster")
_("Cluster key")
_("Cron")
_("Cron expression")
_("Daily")
_("Dotted import path to the callable, e.g. myapp.tasks.job.")
_("Failed task")
_("Failed tasks")
_("False if the task raised an exception or timed out.")
_("Function")
_("Group")
_("Hook")
_("Hourly")
_("How many times execution was attempted.")
_("How often this task should be enqueued.")
_("Id of the last task spawned from this schedule (read-only).")
_("Intended date kwarg")
_("Keyword arguments")
_("Last task id")
_("Lock until")
_("Minutes")
_("Monthly")
_("Name")
_("Name of kwarg to pass intended schedule date")
_("Name of the cluster that executed this task.")
_("Name of the target cluster")
_("Next Run")
_("Number of minutes for the Minutes type")
_("Once")
_("Optional dotted path to a callback that receives the task result.")
_("Optional group id to aggregate related tasks.")
_("Optional human-readable name for lookup and display.")
_("Optional label to identify this schedule in the admin.")
_("Payload")
_("Pickled keyword arguments (dict).")
_("Pickled positional arguments (tuple).")
_("Pickled return value or error payload.")
_("Please install croniter to enable cron expressions")
_("Prevent any cluster from pulling until")
_("Quarterly")
_("Queue options")
_("Queued task")
_("Queued tasks")
_("Repeats")
_("Resubmit selected tasks to queue")
_("Result")
_("Schedule Type")
_("Scheduled task")
_("Scheduled tasks")
_("Short result")
_("Signed serialized task package (do not edit manually).")
_("Started at")
_("Stopped at")
_("Success")
_("Successful task")
_("Successful tasks")
_("Task")
_("Task id")
_("Tasks")
_("Time Taken")
_("Weekly")
_("When the worker finished (success or failure).")
_("When the worker started executing the task.")
_("When this schedule runs next (stored in UTC).")
_("Yearly")
_("e.g. 1, 2, 'John'")
_("e.g. module.tasks.function")
_("e.g. module.tasks.result_function")
_("e.g. x=1, y=2, name='John'")
_("last_run")
_("n = n times, -1 = forever")
_("success")

# django-axes: who tried to log in, and its answer to who tried too often.

_("Access Attempt")
_("Access lock out")
_("Account locked: too many login attempts. Contact an admin to unlock your account.")
_("Account locked: too many login attempts. Please try again later.")
_("Attempt Remaining")
_("Attempt Time")
_("Clean up expired attempts")
_("Expires At")
_("Failed Logins")
_("Form Data")
_("GET Data")
_("HTTP Accept")
_("IP Address")
_("Locked Out")
_("Logout Time")
_("Meta Data")
_("Not set")
_("POST Data")
_("Path")
_("Session key hash (sha256)")
_("The time when access attempt expires and is no longer valid.")
_("User Agent")
_("Username")
_("access attempt")
_("access attempt expiration")
_("access attempt expirations")
_("access attempts")
_("access failure")
_("access failures")
_("access log")
_("access logs")

# django.contrib.admin: “u” becomes “je”, and names stand without an article.

_("Add another %(verbose_name)s")
_(
    'Are you sure you want to delete the %(object_name)s "%(escaped_object)s"? All of'
    " the following related items will be deleted:"
)
_(
    "Are you sure you want to delete the selected %(objects_name)s? All of the"
    " following objects and their related items will be deleted:"
)
_("Are you sure?")
_("Close")
_("Delete")
_(
    "Deleting the %(object_name)s '%(escaped_object)s' would result in deleting"
    " related objects, but your account doesn't have permission to delete the"
    " following types of objects:"
)
_(
    "Deleting the selected %(objects_name)s would result in deleting related objects,"
    " but your account doesn't have permission to delete the following types of"
    " objects:"
)
_(
    "First, enter a username and password. Then, you’ll be able to edit more user"
    " options."
)
_(
    "Forgotten your password? Enter your email address below, and we’ll email"
    " instructions for setting a new one."
)
_("Home")
_(
    "If you don’t receive an email, please make sure you’ve entered the address you"
    " registered with, and check your spam folder."
)
_("Log in")
_("Log in again")
_("Log out")
_(
    "Please enter the correct %(username)s and password for a staff account. Note"
    " that both fields may be case-sensitive."
)
_(
    "Please enter your old password, for security’s sake, and then enter your new"
    " password twice so we can verify you typed it in correctly."
)
_("Popup closing…")
_("Save and add another")
_("Save and continue editing")
_(
    "Something’s wrong with your database installation. Make sure the appropriate"
    " database tables have been created, and make sure the database is readable by"
    " the appropriate user."
)
_("Successfully deleted %(count)d %(items)s.")
_("Thanks for spending some quality time with the web site today.")
_("The %(name)s “%(obj)s” was deleted successfully.")
_("The {name} “{obj}” was added successfully.")
_("The {name} “{obj}” was added successfully. You may add another {name} below.")
_("The {name} “{obj}” was changed successfully.")
_("The {name} “{obj}” was changed successfully. You may add another {name} below.")
_("The {name} “{obj}” was changed successfully. You may edit it again below.")
_(
    "There’s been an error. It’s been reported to the site administrators via email"
    " and should be fixed shortly. Thanks for your patience."
)
_(
    "We’ve emailed you instructions for setting your password, if an account exists"
    " with the email you entered. You should receive them shortly."
)
_(
    "You are authenticated as %(username)s, but are not authorized to access this"
    " page. Would you like to login to a different account?"
)
_("You don’t have permission to view or edit anything.")
_("You may edit it again below.")
_(
    "You're receiving this email because you requested a password reset for your user"
    " account at %(site_name)s."
)
_("Your password has been set.  You may go ahead and log in now.")
_("Your password was changed.")
_("Your username, in case you’ve forgotten:")
ngettext(
    "%(count)s %(name)s was changed successfully.",
    "%(count)s %(name)s were changed successfully.",
    2,
)

# django.contrib.auth: the same, in the words of the people who work here.

_("Designates that this user has all permissions without explicitly assigning them.")
_("Designates whether the user can log into this admin site.")
_(
    "Designates whether this user should be treated as active. Unselect this instead"
    " of deleting accounts."
)
_("Logged out")
_("Password reset")
_("Password reset complete")
_("Password reset on %(site_name)s")
_("Password reset sent")
_("Password reset unsuccessful")
_(
    "Please enter a correct %(username)s and password. Note that both fields may be"
    " case-sensitive."
)
_("Your old password was entered incorrectly. Please enter it again.")
_("Your password can’t be a commonly used password.")
_("Your password can’t be entirely numeric.")
_("Your password can’t be too similar to your other personal information.")
_("last login")
_("staff status")
_("superuser status")
ngettext(
    "Your password must contain at least %(min_length)d character.",
    "Your password must contain at least %(min_length)d characters.",
    2,
)

# django.views and django.forms: the pages of last resort.

_(
    'If you are using the <meta name="referrer" content="no-referrer"> tag or'
    " including the “Referrer-Policy: no-referrer” header, please remove them. The"
    " CSRF protection requires the “Referer” header to do strict referer checking. If"
    ' you’re concerned about privacy, use alternatives like <a rel="noreferrer" …>'
    " for links to third-party sites."
)
_(
    "If you have configured your browser to disable cookies, please re-enable them,"
    " at least for this site, or for “same-origin” requests."
)
_(
    "If you have configured your browser to disable “Referer” headers, please"
    " re-enable them, at least for this site, or for HTTPS connections, or for"
    " “same-origin” requests."
)
_(
    "ManagementForm data is missing or has been tampered with. Missing fields:"
    " %(field_names)s. You may need to file a bug report if the issue persists."
)
_(
    "You are seeing this message because this HTTPS site requires a “Referer header”"
    " to be sent by your web browser, but none was sent. This header is required for"
    " security reasons, to ensure that your browser is not being hijacked by third"
    " parties."
)
_(
    "You are seeing this message because this site requires a CSRF cookie when"
    " submitting forms. This cookie is required for security reasons, to ensure that"
    " your browser is not being hijacked by third parties."
)
