"""The address book."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path, reverse_lazy
from django.views.generic import RedirectView

from api.views.house import healthz
from threads.admin.system import system
from threads.language import set_language

urlpatterns = [
    path("", RedirectView.as_view(url=reverse_lazy("admin:index"))),
    path(
        "admin/password/<uidb64>/<token>/",
        auth.PasswordResetConfirmView.as_view(
            success_url=reverse_lazy("admin:login"),
        ),
        name="password_reset_confirm",
    ),
    path("admin/system/", admin.site.admin_view(system), name="system"),
    path("admin/", admin.site.urls),
    path("language", set_language, name="set_language"),
    path("api/", include("api.urls")),
    path("healthz", healthz),
]
