"""The address book."""

from django.contrib import admin
from django.urls import include, path, reverse_lazy
from django.views.generic import RedirectView

from api.views.documents import Index
from api.views.house import healthz
from api.views.metrics import metrics
from threads.access import account
from threads.access.login import Code, Login
from threads.access.newpassword import NewPassword
from threads.admin.system import delivery, system
from threads.language import set_language

admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(url=reverse_lazy("admin:index"))),
    path(
        "admin/password/<uidb64>/<token>/",
        NewPassword.as_view(),
        name="password_reset_confirm",
    ),
    path("admin/login/", Login.as_view()),
    path("admin/login/code/", Code.as_view(), name="login_code"),
    path("admin/account/", admin.site.admin_view(account.page), name="account"),
    path(
        "admin/account/begin/",
        admin.site.admin_view(account.begin),
        name="account_begin",
    ),
    path(
        "admin/account/confirm/",
        admin.site.admin_view(account.confirm),
        name="account_confirm",
    ),
    path(
        "admin/account/remove/",
        admin.site.admin_view(account.remove),
        name="account_remove",
    ),
    path("admin/system/", admin.site.admin_view(system), name="system"),
    path(
        "admin/system/delivery/",
        admin.site.admin_view(delivery),
        name="system_delivery",
    ),
    path("admin/", admin.site.urls),
    path("language", set_language, name="set_language"),
    path("api", Index.as_view()),
    path("api/", include("api.urls")),
    path("healthz", healthz),
    path("metrics", metrics),
]

handler400 = "api.handlers.bad_request"
handler403 = "api.handlers.permission_denied"
handler404 = "api.handlers.page_not_found"
handler500 = "api.handlers.server_error"
